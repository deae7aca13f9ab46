"""The front: nginx, TLS 1.3 alone with P-256 and X25519 and AES-128-GCM, and what it lets through to whom.

moto decides by headers what it does, so what a client must not decide is settled here: no header that names an account, no address of its own
administration, no request without a Signature Version 4, none that is signed for S3, which another program answers.
"""

import re

from . import state as cloud
from .state import State

REFUSAL = (
    '<ErrorResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><Error><Type>Sender</Type>'
    "<Code>MissingAuthenticationToken</Code><Message>Request is missing Authentication Token</Message></Error></ErrorResponse>"
)
# Signature Version 4 in a header, for any service but S3.
SIGNED = "^AWS4-HMAC-SHA256 Credential=[A-Z0-9]+/[0-9]+/[a-z0-9-]+/(?!s3/)[a-z0-9-]+/aws4_request"


def configuration(state: State) -> str:
    """The text of nginx.conf."""
    return f"""
daemon off;
worker_processes 1;
pid {state.run}/nginx.pid;
error_log {state.logs}/front.log info;
user root;
events {{ worker_connections 512; }}
http {{
  access_log {state.logs}/front-access.log;
  client_max_body_size 1g;
  client_body_temp_path {state.run}/nginx-body;
  proxy_temp_path {state.run}/nginx-proxy;
  fastcgi_temp_path {state.run}/nginx-fastcgi;
  uwsgi_temp_path {state.run}/nginx-uwsgi;
  scgi_temp_path {state.run}/nginx-scgi;
  server_names_hash_bucket_size 128;
  large_client_header_buffers 4 32k;
  ssl_certificate {state.authority}/front.pem;
  ssl_certificate_key {state.authority}/front.key;
  ssl_protocols TLSv1.3;
  ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;
  ssl_ecdh_curve X25519:P-256;
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  proxy_set_header Host $http_host;
  proxy_set_header X-Forwarded-Proto https;
  proxy_set_header X-Forwarded-For $remote_addr;
  proxy_set_header x-moto-account-id "";
{apis(state)}
{storage(state)}
{sites(state)}
}}
"""


def listen(state: State, default: str = "") -> str:
    """One address for parties, and a socket in the file system, by which sandboxes without a network come here."""
    return f"listen {state.address}:{state.port} ssl{default}; listen unix:{state.front_socket} ssl{default};"


def apis(state: State) -> str:
    """Everything that is no other host: moto. Regions but one have a certificate of their own."""
    body = f"""
    default_type text/xml;
    location /moto-api {{ return 404; }}
    location /latest/ {{ return 404; }}
    location / {{
      if ($is_api_request = 0) {{ return 403 '{REFUSAL}'; }}
      proxy_pass http://{state.address}:{cloud.MOTO};
    }}"""
    return f"""
  map $http_authorization $is_api_request {{ default 0; "~{SIGNED}" 1; }}
  server {{
    {listen(state, " default_server")}
    server_name _;{body}
  }}
  server {{
    {listen(state)}
    server_name ~^[a-z0-9-]+\\.({"|".join(cloud.OTHER_REGIONS)})\\.amazonaws\\.com$;
    ssl_certificate {state.authority}/regions.pem;
    ssl_certificate_key {state.authority}/regions.key;{body}
  }}"""


def storage(state: State) -> str:
    """S3, path style and virtual hosts: the lookup names the s3s-fs of the access key, which checks the signature."""
    hosts = "|".join(re.escape(host) for host in cloud.S3_HOSTS)
    return f"""
  server {{
    {listen(state)}
    server_name ~^(.+\\.)?({hosts})$;
    proxy_request_buffering off;
    location / {{
      auth_request /.lookup;
      auth_request_set $backend $upstream_http_x_backend;
      proxy_pass http://$backend;
    }}
    location = /.lookup {{
      internal;
      proxy_pass http://{state.address}:{cloud.STORAGE};
      proxy_pass_request_body off;
      proxy_set_header Content-Length "";
      proxy_set_header X-Original-URI $request_uri;
    }}
  }}"""


def sites(state: State) -> str:
    """Sign-up and sign-in (one program), console, mailbox."""
    programs = ((f"{cloud.SIGNUP_HOST} {cloud.SIGNIN_HOST}", cloud.SIGNIN), (cloud.CONSOLE_HOST, cloud.CONSOLE), (cloud.MAIL_HOST, cloud.MAIL))
    return "\n".join(
        f"""
  server {{
    {listen(state)}
    server_name {hosts};
    location / {{ proxy_pass http://{state.address}:{port}; }}
  }}"""
        for hosts, port in programs
    )
