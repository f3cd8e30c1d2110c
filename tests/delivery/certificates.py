"""Says which certificate authorities of RDS have been added or withdrawn since shared/certificates/rds-roots.pem was made.

It compares that file with the one that AWS publishes, or with another one: certificates.py [URL]. Exit code 1 means that
they differ.
"""

import re
import sys
import urllib.request
from pathlib import Path

PUBLISHED = "https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem"
SHIPPED = Path(__file__).parents[2] / "shared/certificates/rds-roots.pem"
CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", re.DOTALL)


def certificates(text):
    return {"".join(body.split()) for body in CERTIFICATE.findall(text)}


def main():
    url = sys.argv[1] if len(sys.argv) > 1 else PUBLISHED
    with urllib.request.urlopen(url, timeout=60) as answer:
        published = certificates(answer.read().decode())
    shipped = certificates(SHIPPED.read_text(encoding="utf-8"))
    if not published:
        raise SystemExit(f"{url} has no certificates")
    print(f"{len(published - shipped)} added, {len(shipped - published)} withdrawn, of {len(published)} at {url}")
    return int(published != shipped)


if __name__ == "__main__":
    sys.exit(main())
