"""Signs the requests in a file of JSON lines with botocore, and prints one Authorization header a line.

Debian's botocore is the oracle: whatever it signs is what AWS accepts. Used by test_sigv4.c.
"""

import datetime
import json
import sys

import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials


def authorization(entry):
    class Clock(datetime.datetime):
        @classmethod
        def utcnow(cls):
            return cls.utcfromtimestamp(entry["seconds"])

    botocore.auth.datetime.datetime = Clock
    credentials = Credentials(entry["access_key_id"], entry["secret_access_key"], entry.get("session_token"))
    request = AWSRequest(entry["method"], entry["url"], headers=entry["headers"], data=entry["body"].encode())
    botocore.auth.SigV4Auth(credentials, entry["service"], entry["region"]).add_auth(request)
    return request.headers["Authorization"]


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        for line in file:
            print(authorization(json.loads(line)))


if __name__ == "__main__":
    main()
