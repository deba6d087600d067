"""The append-only, hash-chained ledger: `Ledger`, its events, its leases and its vocabulary."""

from seedgate.ledger.chain import GENESIS, Event, Fault, NewEvent
from seedgate.ledger.kinds import KINDS
from seedgate.ledger.lease import Lease
from seedgate.ledger.store import Ledger

__all__ = ["GENESIS", "KINDS", "Event", "Fault", "Lease", "Ledger", "NewEvent"]
