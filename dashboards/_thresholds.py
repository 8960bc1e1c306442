"""From where on a number is drawn as worth a look and as bad: pairs of the two bounds."""

from monitoring.thresholds import BUCKET_RATIO, ESTIMATE_RATIO, ETA_FACTOR, LAG_SECONDS, OBJECTIVE, OVERDUE_RATIO

SUCCESS = (OBJECTIVE, OBJECTIVE - 0.05)
"""Of tasks that completed or failed."""

ANSWER_AGE = (120, 600)
"""Seconds since the last valid answer."""

LATE = (2, ETA_FACTOR)
"""Duration / ETA; an open task's age / ETA."""

OVERDUE_SHARE = (OVERDUE_RATIO / 2, OVERDUE_RATIO)
OVERDUE_TASKS = (1, 10)
COST_RATIO = (1.05, ESTIMATE_RATIO)
"""Credits used / estimated."""

BUCKET_SHARE = BUCKET_RATIO
"""What is left of a spend bucket."""

LASTS_SECONDS = (86_400, 14_400)
"""Until credits are used up: a day, four hours."""

LAG = (LAG_SECONDS / 3, LAG_SECONDS)
"""Seconds that a poll is late."""

WAITING = (LAG_SECONDS, 4 * LAG_SECONDS)
"""Seconds that the longest-due poll has waited."""

BUDGET = 1
"""Of the polls that the account's limits allow."""
