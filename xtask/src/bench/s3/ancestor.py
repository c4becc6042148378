"""mirror-git-to-s3 from one repository to one prefix: ancestor.py ENDPOINT SOURCE TARGET"""

import sys

import boto3
import botocore.config
import httpx
from mirror_git_to_s3 import mirror_repos


def declare(request):
    # Without a content type, git's own HTTP server refuses it.
    if request.url.path.endswith("/git-upload-pack"):
        request.headers["Content-Type"] = "application/x-git-upload-pack-request"


endpoint, source, target = sys.argv[1:]
config = botocore.config.Config(max_pool_connections=50, s3={"addressing_style": "path"})
mirror_repos(
    ((source, target),),
    get_s3_client=lambda: boto3.client("s3", endpoint_url=endpoint, config=config),
    get_http_client=lambda: httpx.Client(
        transport=httpx.HTTPTransport(retries=3), timeout=60, event_hooks={"request": [declare]}
    ),
)
