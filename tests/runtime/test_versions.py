"""The versions of libraries are known without their import."""

import platform
import subprocess
import sys
from importlib.metadata import version

from kinora.runtime.versions import versions


def test_the_versions_are_those_that_are_installed() -> None:
    """They are what pip would say."""
    found = versions()
    assert found["python"] == platform.python_version()
    assert found["numpy"] == version("numpy")
    assert found["opencv"] == version("opencv-python-headless")
    assert found["av"] == version("av")
    assert found["onnxruntime"] == version("onnxruntime")


def test_nothing_is_imported_for_them() -> None:
    """The server's process has none of those libraries."""
    program = (
        "import sys\nfrom kinora.runtime.versions import versions\nversions()\n"
        "print(*{'numpy', 'cv2', 'av', 'onnxruntime', 'torch'} & set(sys.modules))"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert ended.stdout.split() == []
