"""A function that logs with Powertools for AWS Lambda (Python), under AWS's own runtime for Python."""

import os
import sys

from aws_lambda_powertools import Logger
from awslambdaric.__main__ import main

logger = Logger(use_rfc3339=True)


@logger.inject_lambda_context(correlation_id_path='headers."X-Correlation-Id" || requestContext.requestId')
def handler(event, context):
    logger.info("request")
    try:
        raise RuntimeError("sesame")
    except RuntimeError:
        logger.exception("panicked")
    return {"statusCode": 200, "body": ""}


if __name__ == "__main__":
    # The runtime imports this file as a module; an isolated Python does not search the script's folder.
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    main([sys.argv[0], "powertools_function.handler"])
