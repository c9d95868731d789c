"""GStreamer's RTSP server with the videos of its arguments, for ``benchmarks.rtsp_servers``.

It runs under the Python of the system, for which Debian has the bindings: it knows nothing of Kinora. Prints its port.

    python3 gst_camera.py NAME=h264:FILE.mp4 NAME=h265:FILE.mp4 [--password USER:PASSWORD]
"""

from __future__ import annotations

import sys

import gi  # type: ignore[import-not-found]

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # type: ignore[import-not-found]  # noqa: E402

LAUNCH = "( filesrc location={file} ! qtdemux ! {codec}parse ! rtp{codec}pay name=pay0 pt=96 config-interval=-1 )"
ROLE = "viewer"


def protect(server: GstRtspServer.RTSPServer, user: str, password: str) -> None:
    """Ask for a user and a password by Digest."""
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", ROLE)
    auth = GstRtspServer.RTSPAuth()
    auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
    auth.add_digest(user, password, token)
    server.set_auth(auth)


def main() -> None:
    """Serve until the process is ended."""
    Gst.init(None)
    server = GstRtspServer.RTSPServer.new()
    server.set_address("127.0.0.1")
    server.set_service("0")
    arguments = iter(sys.argv[1:])
    for argument in arguments:
        if argument == "--password":
            protect(server, *next(arguments).split(":"))
            continue
        name, _, rest = argument.partition("=")
        codec, _, file = rest.partition(":")
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_launch(LAUNCH.format(file=file, codec=codec))
        permissions = GstRtspServer.RTSPPermissions()
        for allowed in ("media.factory.access", "media.factory.construct"):
            permissions.add_permission_for_role(ROLE, allowed, True)
        factory.set_permissions(permissions)
        server.get_mount_points().add_factory(f"/{name}", factory)
    server.attach(None)
    print(server.get_bound_port(), flush=True)
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
