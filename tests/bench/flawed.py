"""An echo server with a flaw, to see that the load generator notices.

    flawed.py PORT FLAW

Byte 1000 of each connection is altered (alter), left out (lose), sent twice (double), or the last
one before the connection is closed (close). With no flaw (none), it is an echo server.
"""
import socketserver
import sys

PLACE = 1000
FLAW = sys.argv[2]


class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        count = 0
        while True:
            data = self.request.recv(65536)
            if not data:
                return
            here, count = PLACE - count, count + len(data)
            if 0 <= here < len(data):
                data = spoil(data[:here], data[here:here + 1], data[here + 1:])
            self.request.sendall(data)
            if FLAW == "close" and here < len(data):
                return


def spoil(before, byte, behind):
    if FLAW == "alter":
        byte = bytes([byte[0] ^ 1])
    if FLAW == "lose":
        byte = b""
    if FLAW == "double":
        byte += byte
    return before + byte + (b"" if FLAW == "close" else behind)


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass  # the load generator has left


server = Server(("127.0.0.1", int(sys.argv[1])), Echo)
print("ready", flush=True)
server.serve_forever()
