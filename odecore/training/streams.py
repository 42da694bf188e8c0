"""Random streams: one generator per kind of randomness, keyed by name.

Cells that differ in one part share the streams of all others.
"""

import hashlib

import torch


def generator(seed: int, *stream: str | int) -> torch.Generator:
    """A CPU generator for one stream, such as ("order", epoch) or ("init", parameter name).

    Streams are independent of each other and of how many of them exist; nothing needs to be saved
    to resume one, its key is enough.
    """
    key = "/".join(map(str, (seed, *stream)))
    digest = hashlib.blake2b(key.encode(), digest_size=8).digest()
    # manual_seed takes 64 bits; the top bit is dropped because torch reads the number as signed.
    return torch.Generator().manual_seed(int.from_bytes(digest, "big") >> 1)
