"""The peers: what each is, how it is installed, configured and started. A new one is a class and a place in PEERS.

Each gets the settings that its own documentation gives for speed, and no feature that would cost it: no database, no
access log, no key except where it does not run without. Ours runs as it ships, and once more with everything on.
"""

from peers.envoy import Envoy
from peers.hono import Hono
from peers.litellm import LiteLLM
from peers.ours import Metered, Ours
from peers.peer import REPOSITORY, Command, Peer, Place
from peers.tensor_zero import TensorZero

PEERS: dict[str, Peer] = {peer.name: peer for peer in (Ours(), Metered(), Envoy(), TensorZero(), Hono(), LiteLLM())}

__all__ = ["PEERS", "REPOSITORY", "Command", "Metered", "Ours", "Peer", "Place"]
