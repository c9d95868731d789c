"""A client of a Kinora server, for Trio: ``KinoraClient`` for its REST calls, ``connect`` for its live messages."""

from kinora.client.errors import ClientError as ClientError
from kinora.client.push import Ack as Ack
from kinora.client.push import Pushing as Pushing
from kinora.client.realtime import Realtime as Realtime
from kinora.client.realtime import connect as connect
from kinora.client.rest import KinoraClient as KinoraClient
from kinora.client.rest import Submitted as Submitted
from kinora.client.resumption import Message as Message
