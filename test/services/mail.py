# A throw-away mail server on loopback: STARTTLS, then a password, then mail.   mail.py PORT FOLDER
# FOLDER holds key.pem and certificate.pem; what is taken is laid into FOLDER/got, as JSON that Python's own parser of messages made.
# Nobody is called `nobody`, and `later` is taken only when it is tried again.
import asyncio
import email
import email.policy
import json
import os
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

port, folder = int(sys.argv[1]), sys.argv[2]
tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
tls.load_cert_chain(os.path.join(folder, "certificate.pem"), os.path.join(folder, "key.pem"))
tried = set()
taken = 0


class Postman:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("nobody@"):
            return "550 no such user"
        if address.startswith("later@") and address not in tried:
            tried.add(address)
            return "451 try again later"
        envelope.rcpt_tos.append(address)
        return "250 ok"

    async def handle_DATA(self, server, session, envelope):
        global taken
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        body = message.get_body(("plain",))
        attached = list(message.iter_attachments())
        written = {
            "tls": session.ssl is not None,
            "login": (session.auth_data.login or b"").decode() if session.authenticated else None,
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "headers": {name.lower(): str(value) for name, value in message.items()},
            "defects": [str(defect) for defect in message.defects],
            "text": body.get_content() if body else None,
            "attachments": [{"name": a.get_filename(), "type": a.get_content_type(), "content": a.get_content().decode()} for a in attached],
        }
        taken += 1
        place = os.path.join(folder, "got", "%06d.json" % taken)
        with open(place + ".part", "w") as file:
            json.dump(written, file)
        os.rename(place + ".part", place)
        return "250 taken"


def authenticate(server, session, envelope, mechanism, given):
    right = isinstance(given, LoginPassword) and (given.login, given.password) == (b"escrow", b"correct-horse")
    # Not handled: the server itself is to tell of a refusal.
    return AuthResult(success=right, handled=False, auth_data=given)


async def serve():
    rules = dict(tls_context=tls, require_starttls=True, authenticator=authenticate, auth_required=True, hostname="mail.example")
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(Postman(), **rules), "127.0.0.1", port)
    open(os.path.join(folder, "listening"), "w").close()
    await server.serve_forever()


asyncio.run(serve())
