"""Looks for secrets in files by the patterns of detect-secrets, and prints them: [{"file": ..., "line": ..., "kind": ...}].

As a program: secrets.py FILE... Not by entropy, nor by passwords in URLs: lock files and tests are full of both.
"""

import json
import re
import sys
from pathlib import Path

from detect_secrets.core.plugins.initialize import from_plugin_classname

KINDS = [
    "ArtifactoryDetector",
    "AWSKeyDetector",
    "AzureStorageKeyDetector",
    "DiscordBotTokenDetector",
    "GitHubTokenDetector",
    "GitLabTokenDetector",
    "JwtTokenDetector",
    "MailchimpDetector",
    "NpmDetector",
    "OpenAIDetector",
    "PrivateKeyDetector",
    "PypiTokenDetector",
    "SendGridDetector",
    "SlackDetector",
    "SquareOAuthDetector",
    "StripeDetector",
    "TelegramBotTokenDetector",
    "TwilioKeyDetector",
]
# Keys of principals on one machine, and those of documentation and tests, which say so.
PUBLIC = re.compile(r"A[KS]IA(LOCAL[A-Z0-9]+|[A-Z0-9]+EXAMPLE|[A-Z0-9]+0{8})")


def found(files):
    detectors = [from_plugin_classname(kind) for kind in KINDS]
    for file in files:
        text = Path(file).read_text(encoding="utf-8", errors="replace")
        for detector in detectors:
            for secret in detector.analyze_string(text):
                if not PUBLIC.fullmatch(secret):
                    line = text.count("\n", 0, text.find(secret)) + 1
                    yield {"file": file, "line": line, "kind": detector.secret_type}


json.dump(list(found(sys.argv[1:])), sys.stdout)
