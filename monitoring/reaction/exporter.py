"""An exporter's life without its servers: which requests it sends when, and what it shows of what they bring.

What decides about requests is the exporter's own: the gate of an account, its holds, the schedule, the shares of tasks
that fail, the cadence. Totals are accumulated as the ledger does it, in the catalogue's families, and outlive a restart
as they do there. The rest is the least that makes the numbers of one scrape agree with each other.
"""

import heapq
import math
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Final

from exporter.accounting.series import Increments, Labels, Series, labels_of
from exporter.dispatcher.answer import Blame, DispatcherError
from exporter.dispatcher.gate import Gate, Grant
from exporter.metrics.families import api as api_families
from exporter.metrics.families import own, tasks as task_families
from exporter.metrics.family import Accumulated, Counter as CounterFamily, Family, Gauge, Histogram, Scope
from exporter.metrics.catalogue import FAMILIES
from exporter.polling.cadence import Cadence
from exporter.polling.schedule import Schedule, Slot
from exporter.polling.shares import Shares
from exporter.settings.model import PollSettings
from exporter.tasks.observation import TERMINAL, Status
from monitoring.reaction.api import LATENCY, Api, Fault
from monitoring.reaction.tasks import Kind, Task
