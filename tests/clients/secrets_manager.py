"""Serves AWS Secrets Manager on a port of 127.0.0.1, by moto, until standard input ends: whoever started it is gone then.

Writes one line when it is ready.
"""

import os
import sys

from moto.server import ThreadedMotoServer

server = ThreadedMotoServer("127.0.0.1", int(sys.argv[1]), verbose=False)
server.start()
print("ready", flush=True)
sys.stdin.read()
os._exit(0)
