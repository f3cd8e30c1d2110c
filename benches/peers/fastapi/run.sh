#!/bin/sh
# Starts the programs as Lambda does with the layer of the Lambda Web Adapter: the adapter, and the application, which ends
# with it.
setpriv --pdeathsig KILL "$PYTHON" -m uvicorn web:app --host 127.0.0.1 --port "$AWS_LWA_PORT" \
  --log-level warning --no-access-log &
exec "$LAMBDA_ADAPTER"
