"""What is true of the sample company, for an analysis to find again.

1.  Leads from paid social become deals half as often from `PAID_SOCIAL_TURN` on.
2.  A customer in its n-th month leaves at the end of it with the chance
    alpha / (alpha + beta + n − 1), the hazard of a shifted-beta-geometric model; beta depends on
    the plan, and Starter loses the most. The average is about 1.5 % a month.
3.  From `ROUTING_START` on, new leads in EMEA are routed to the right person at once. Their way
    from first contact to decision takes 20 % less time, and 1.3 times as many of their deals are
    won. `DEAL_DESK` changed nothing, nor did either change anything elsewhere.
4.  One customer goes by `THREE_NAMES`; marketing and sales share its domain, while billing has
    neither domain nor key. `KEYLESS` other customers have no key of sales either, and every third
    of them no domain; `UNKNOWN_TO_SALES` have no account at all. `TWIN_ACCOUNTS` accounts are in
    the CRM twice.
5.  `REJECTS` are the rows that no reader should accept, by file and line; `ORPHAN_TICKETS` are of
    nobody.
"""

from datetime import date

START, END = date(2023, 10, 1), date(2026, 9, 30)

PAID_SOCIAL_TURN, PAID_SOCIAL_FACTOR = date(2026, 2, 1), 0.5

CHURN_ALPHA = 0.6
CHURN_BETA = {"Starter": 14.0, "Team": 34.0, "Business": 34.0, "Enterprise": 34.0}

ROUTING = {"name": "lead routing", "started_on": "2026-03-01", "column": "region", "value": "EMEA"}
ROUTING_START = date.fromisoformat(ROUTING["started_on"])
ROUTING_CYCLE_FACTOR, ROUTING_WIN_FACTOR = 0.8, 1.3
DEAL_DESK = {"name": "deal desk", "started_on": "2025-07-01", "column": "region", "value": "AMER"}

THREE_NAMES = {
    "marketing": "Mueller Maschinenbau",
    "sales": "Müller Maschinenbau GmbH",
    "service": "MUELLER MASCHINENBAU GMBH & CO KG",
}
KEYLESS, UNKNOWN_TO_SALES, TWIN_ACCOUNTS = 24, 4, 6
ORPHAN_TICKETS = {"without a customer": 15, "of a customer that does not exist": 8}

# file: {line: (what is wrong with the row, the cells that differ from the row above it)}
REJECTS: dict[str, dict[int, tuple[str, dict[str, str]]]] = {
    "marketing/leads.csv": {
        812: ("not a date", {"Contact ID": "8800000000001", "Create Date": "2/30/2024"}),
        2033: ("too many cells", {"Contact ID": "8800000000002"}),
        3100: ("repeated key", {}),
    },
    "marketing/budget.tsv": {207: ("not a number", {"Cost": "#REF!"})},
    "sales/accounts.csv": {640: ("repeated key", {})},
    "sales/opportunities.csv": {905: ("repeated key", {"Amount": "1,00"})},
    "sales/stage_history.csv": {1501: ("not a date", {"Modified At": "0000-00-00T00:00:00Z"})},
    "sales/targets.xlsx": {58: ("not a number", {"Target": "#REF!"})},
    "service/subscriptions.csv": {
        120: ("not a date", {"Subscription": "sub_90001", "Start": "2024-06-31"}),
        333: ("below zero", {"Subscription": "sub_90002", "MRR": "-290.00"}),
    },
    "service/payments.csv": {2500: ("too few cells", {}), 7001: ("not a number", {"Paid": "n.n."})},
    "service/tickets.jsonl": {
        400: ("not a date", {"id": "90001", "created_at": "2025-13-01T09:00:00Z"}),
        1234: ("repeated key", {}),
    },
}
