"""v1.0: an echo server for one client.  Usage: server.py [-q] [[HOST] PORT]"""
import os
import sys
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from common import (PIECE, Acceptor, addr, command_line, listen_on, out, quoted,
                    raise_descriptor_limit, run, server_operands)
import time


def echo(sock, name, quiet):
    try:
        while True:
            data = sock.recv(PIECE)
            if not data:
                return
            if not quiet:
                out.line(f"Server echoes {quoted(data)} to {name}")
            sock.sendall(data)
    except OSError:
        pass  # the client has gone, and was the one client


def main():
    options, operands, usage = command_line("[-q] [[HOST] PORT]", "q", 2)
    host, port = server_operands(operands, usage, "127.0.0.1", 65432)
    raise_descriptor_limit()
    listener = listen_on(host, port)
    out.line(f"Server listens on {addr(listener.getsockname())}")
    acceptor, client = Acceptor(listener), None
    while client is None:
        if acceptor.timeout() is None:
            acceptor.has_client(None)
        else:
            time.sleep(acceptor.timeout() / 1000)
        client = acceptor.accept()
    sock, address = client
    sock.setblocking(True)
    listener.close()
    name = addr(address)
    out.line(f"Server accepts connection from {name}")
    echo(sock, name, "q" in options)
    out.line(f"Server closes connection to {name}")
    sock.close()


run(main, is_server=True)
