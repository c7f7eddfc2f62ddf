"""Mails: values to look at, ways out, and a ledger of who got which.

A mail is composed, looked at, and sent: `send(email, history, open_sender(url, folder), at)`.
"""

from revops_kit.mail.addresses import Address, address, addresses
from revops_kit.mail.ledger import Delivery, Sending, send
from revops_kit.mail.message import Attachment, Email, Image, Letter
from revops_kit.mail.senders import Outbox, Server, open_sender

__all__ = [
    "Address",
    "Attachment",
    "Delivery",
    "Email",
    "Image",
    "Letter",
    "Outbox",
    "Sending",
    "Server",
    "address",
    "addresses",
    "open_sender",
    "send",
]
