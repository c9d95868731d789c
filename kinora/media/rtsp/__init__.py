"""A client of RTSP 1.0 cameras: RTP over the same TCP connection, to access units for FFmpeg's decoders.

What cameras send is taken apart by plain functions of bytes; ``connection`` and ``reader`` alone touch the socket.
"""
