"""Make the sample company: three years of a software firm that never was, as its tools export it.

    python data/make_sample.py [DIR]

writes what the marketing, sales and billing tools of "Brindlemoor Software" would export on
30 September 2026 to DIR (left out: `data/sample`), the same bytes on every run and machine.
`sample_company.py` tells what happened there, `sample_truths.py` what an analysis should find.

Each tool has its own keys, spellings, dates, decimal marks and encoding, and some rows are spoilt.
"""

import csv
import io
import json
import os
import sys
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from sample_company import (
    GROWTH,
    REGIONS,
    REPS,
    SEASON,
    STAGES,
    Customer,
    Deal,
    Dice,
    Firm,
    Lead,
    add_months,
    after,
    happen,
    months,
    salesforce_id,
)
from sample_names import plain
from sample_truths import (
    DEAL_DESK,
    END,
    KEYLESS,
    ORPHAN_TICKETS,
    REJECTS,
    ROUTING,
    START,
    THREE_NAMES,
    TWIN_ACCOUNTS,
)

# openpyxl writes other bytes where lxml is installed; it must be told before it is imported.
os.environ["OPENPYXL_LXML"] = "False"

SEED = 20260962  # of a hundred tried, one whose sample shows the truths plainly
BUDGET = (  # channel, campaign, department, kind, euros a month at the start
    ("paid_search", "brand", "marketing", "media", 3_200),
    ("paid_search", "category", "marketing", "media", 8_400),
    ("paid_social", "lookalike", "marketing", "media", 7_200),
    ("webinar", "monthly webinar", "marketing", "media", 2_100),
    ("events", "trade fairs", "marketing", "media", 5_500),
    ("podcast", "sponsorship", "marketing", "media", 1_300),
    ("partner", "resellers", "sales", "media", 1_800),
    ("organic_search", "blog", "marketing", "media", 2_600),
    ("", "", "marketing", "people", 17_000),
    ("", "", "sales", "people", 32_000),
    ("", "", "marketing", "tools", 2_400),
    ("", "", "sales", "tools", 2_000),
)
TARGET_AT_START, TARGET_GROWTH = 135_000, 1.0265  # bookings a month; growth a month
TOUCH_CHANNELS = {
    "email": 0.42, "organic_search": 0.16, "paid_search": 0.13, "paid_social": 0.13, "webinar": 0.16
}  # fmt: skip
Row = dict[str, Any]


def make(folder: Path) -> None:
    """Write every export of the sample company into a folder."""
    dice = Dice(SEED)
    firm = happen(dice)
    write(folder, "marketing/leads.csv", leads(dice, firm.leads), encoding="utf-8-sig")
    write(folder, "marketing/touches.csv", touches(dice, firm.leads))
    budget = list(spend(dice))
    total = sum(amount for _, amount in budget)
    write(
        folder,
        "marketing/budget.tsv",
        [{**row, "Cost": f"€{german(amount)}"} for row, amount in budget],
        encoding="utf-16",
        separator="\t",
        above=[["Budget report"], [f"{dotted(START)} – {dotted(END)}"]],
        below=[["Total: Brindlemoor Software", "", "", "", "", "", f"€{german(total)}"]],
    )
    write(folder, "sales/accounts.csv", accounts(dice, firm))
    write(
        folder,
        "sales/opportunities.csv",
        opportunities(firm.deals),
        encoding="cp1252",
        separator=";",
        below=[[], ["Confidential Information - Do Not Distribute"], ["Brindlemoor Software"]],
    )
    write(folder, "sales/stage_history.csv", stage_history(dice, firm.deals))
    write(folder, "sales/forecasts.csv", forecasts(dice, firm.deals), separator=";")
    write_workbook(folder, "sales/targets.xlsx", targets())
    write(folder, "service/customers.csv", customers(firm.customers), separator=";")
    write(folder, "service/subscriptions.csv", subscriptions(firm.customers))
    write(folder, "service/payments.csv", payments(dice, firm.customers))
    write_json_lines(folder, "service/tickets.jsonl", tickets(dice, firm.customers))
    write(folder, "changes.csv", [DEAL_DESK, ROUTING])


# --- marketing: American dates, names as people typed them -------------------------------------
def leads(dice: Dice, leads: list[Lead]) -> Iterator[Row]:
    """Export contacts; one won lead in ten was never marked as a customer."""
    for lead in leads:
        deal, company = lead.deal, lead.company
        synced = deal is not None and company.name != THREE_NAMES["sales"] and dice.chance(0.85)
        marked = deal is not None and deal.won and dice.chance(0.9)
        private = deal is None and dice.chance(0.08)
        mailbox = plain(lead.person).lower().replace(" ", ".")
        qualified = lead.qualified if lead.qualified and lead.qualified <= END else None
        yield {
            "Contact ID": lead.key,
            "Contact Name": lead.person,
            "Email": f"{mailbox}@{'freemail.test' if private else company.domain}",
            "Company Name": "" if private else typed(dice, company.name),
            "Original Source": lead.source,
            "Original Campaign": lead.campaign,
            "Create Date": us(lead.created),
            "Became Qualified": us(qualified),
            "Became Customer": us(min(deal.closes + timedelta(dice.whole(0, 3)), END))
            if marked
            else "",
            "CRM Account ID": company.account_id if synced else "",
            "region": "" if dice.chance(0.01) else company.region,
            "segment": company.segment,
        }


def typed(dice: Dice, name: str) -> str:
    """Spell a company as people type it into a form."""
    if name == THREE_NAMES["sales"]:
        return THREE_NAMES["marketing"]
    short = name.rsplit(" ", 1)[0] if name.endswith(("GmbH", "Inc.", "Ltd", "AB")) else name
    return dice.pick({name: 0.45, short: 0.3, plain(short): 0.15, plain(short).lower(): 0.1})


def touches(dice: Dice, leads: list[Lead]) -> list[Row]:
    """Export the first contact of most leads and what followed; some visitors stay unknown."""
    rows = []
    for lead in leads:
        if dice.chance(0.1):
            continue
        channels = [lead.source, *(dice.pick(TOUCH_CHANNELS) for _ in range(dice.count(0.8)))]
        for number, channel in enumerate(channels):
            day = lead.created if number == 0 else after(lead.created, dice.around(12, 0.8))
            if day <= END:
                rows.append(
                    {
                        "lead_ref": "" if dice.chance(0.015) else lead.key,
                        "touched": f"{day} {dice.whole(8 + number, 21):02}:{dice.whole(0, 59):02}",
                        "channel": channel,
                        "campaign": lead.campaign if number == 0 else "",
                    }
                )
    rows.sort(key=lambda row: row["touched"])
    return [{"touch": f"T{number:06}", **row} for number, row in enumerate(rows, 1)]


def spend(dice: Dice) -> Iterator[tuple[Row, float]]:
    """Plan what marketing and sales cost; trade fairs come four times a year."""
    for age, month in enumerate(months()):
        for channel, campaign, department, kind, usual in BUDGET:
            for region, share in REGIONS.items():
                amount = usual * share * GROWTH**age * dice.around(1, 0.08 if channel else 0.02)
                if channel == "events":
                    amount *= 3 if month.month in (3, 6, 9, 11) else 0
                if amount:
                    booked = add_months(month, 1) - timedelta(1)
                    row = {"Day": dotted(booked), "Channel": channel, "Campaign": campaign}
                    row |= {"Department": department, "Type": kind, "region": region}
                    yield row, round(amount, 2)


# --- sales: keys of 18 letters, German dates and amounts ---------------------------------------
def accounts(dice: Dice, firm: Firm) -> list[Row]:
    """Export the companies that sales knows, some of them twice."""
    known = [each.company for each in [*firm.customers, *firm.deals] if each.company.account_id]
    companies = sorted({each.account_id: each for each in known}.items())
    rows = []
    for number, (key, company) in enumerate(companies):
        website = f"www.{company.domain}" if dice.chance(0.3) else company.domain
        row = {"Account ID": key, "Account Name": company.name, "Website": website}
        row |= {"region": company.region, "segment": company.segment}
        rows.append(row)
        if number % 200 == 100 and number // 200 < TWIN_ACCOUNTS:
            twin = salesforce_id("001", 40_000 + number)
            rows.append({**row, "Account ID": twin, "Account Name": plain(company.name).upper()})
    return rows


def opportunities(deals: list[Deal]) -> Iterator[Row]:
    """Export deals as they stand on the last day."""
    for deal in deals:
        now = deal.history[-1]
        yield {
            "Opportunity ID": deal.key,
            "Opportunity Name": western(f"{deal.company.name} – {deal.kind}"),
            "Account ID": deal.company.account_id,
            "Marketing Contact": deal.lead.key if deal.lead else "",
            "Lead Source": deal.source,
            "Type": deal.kind,
            "Stage": now["stage"],
            "Forecast Category": now["category"],
            "Probability": f"{STAGES[now['stage']][0]:.0%}",
            "Amount": german(now["amount"]),
            "Created": dotted(deal.opened),
            "Expected Close": dotted(now["expected"]),
            "Closed": dotted(deal.closes) if deal.closes <= END else "",
            "Owner": western(deal.owner),
            "region": deal.company.region,
            "segment": deal.company.segment,
        }


def stage_history(dice: Dice, deals: list[Deal]) -> list[Row]:
    """Export every change of a deal, with the values from then on."""
    rows = []
    for deal in deals:
        for number, change in enumerate(deal.history):
            minutes = 7 * 60 + number * 35 + dice.whole(0, 30)
            rows.append(
                {
                    "Opportunity ID": deal.key,
                    "Modified At": utc(change["day"], minutes),
                    "Stage": change["stage"],
                    "Amount": f"{change['amount']:.2f}",
                    "Close Date": change["expected"],
                    "Forecast Category": change["category"],
                }
            )
    return sorted(rows, key=lambda row: row["Modified At"])


def forecasts(dice: Dice, deals: list[Deal]) -> Iterator[Row]:
    """Let each rep commit to three months on every first: too much, the more so the further off."""
    won: dict[tuple[str, date], float] = defaultdict(float)
    for deal in deals:
        won[deal.owner, deal.closes.replace(day=1)] += deal.amount * deal.wins
    for age, made in enumerate(months()):
        for region, reps in REPS.items():
            usual = TARGET_AT_START * TARGET_GROWTH**age * REGIONS[region] / len(reps)
            for rep in reps:
                for ahead, insight in enumerate((0.8, 0.5, 0.3)):
                    month = add_months(made, ahead)
                    amount = insight * won[rep, month] + (1 - insight) * usual
                    yield {
                        "Submitted": f"{made:%d-%b-%Y}",
                        "Forecast Month": f"{month:%d-%b-%Y}",
                        "Owner": rep,
                        "Category": "Commit",
                        "Forecast": f"{amount * dice.around(1.1, 0.28):.0f}",
                        "region": region,
                    }


def targets() -> Iterator[Row]:
    """Plan bookings until the end of the year."""
    for age in range(39):
        month = add_months(START, age)
        for region, share in REGIONS.items():
            target = TARGET_AT_START * share * TARGET_GROWTH**age * SEASON[month.month - 1] ** 0.5
            yield {"Month": month, "region": region, "Target": round(target, -3)}


# --- service: numbers with leading zeros, capitals, moments in UTC -----------------------------
def customers(customers: list[Customer]) -> Iterator[Row]:
    """Export whom billing knows; some have no key of sales, and some not even a domain."""
    keyless = 0
    for number, customer in enumerate(customers):
        company, name = customer.company, customer.company.name
        account, domain = company.account_id, company.domain
        if name == THREE_NAMES["sales"]:
            name, account, domain = THREE_NAMES["service"], "", ""
        elif account and number % 20 >= 19 and keyless < KEYLESS:
            account, keyless = "", keyless + 1
            domain = "" if keyless % 3 == 0 else domain
        if number % 4 == 0:
            name = plain(name).upper()
        yield {
            "Customer No": customer.key,
            "Customer": name,
            "Invoice E-mail": f"billing@{domain or 'freemail.test'}",
            "Domain": domain,
            "CRM Account": account,
            "region": company.region,
            "segment": company.segment,
        }


def subscriptions(customers: list[Customer]) -> list[Row]:
    """Export subscriptions; a new price is a new row."""
    every = [(each, customer) for customer in customers for each in customer.subscriptions]
    every.sort(key=lambda pair: pair[0].started)
    return [
        {
            "Subscription": f"sub_{number:05}",
            "Customer No": customer.key,
            "Plan": each.plan,
            "MRR": f"{each.mrr:,.2f}",
            "Start": each.started,
            "End": each.ended or "",
            "region": customer.company.region,
            "segment": customer.company.segment,
        }
        for number, (each, customer) in enumerate(every, 1)
    ]


def payments(dice: Dice, customers: list[Customer]) -> list[Row]:
    """Export what was paid: every month, a few days late, and some never."""
    rows = []
    for customer in customers:
        for each in customer.subscriptions:
            for count in range(100):
                due = add_months(each.started, count)
                paid = due + timedelta(int(dice.around(4, 0.9)))
                if due >= min(each.ended or END, END):
                    break
                if due >= START and paid <= END and not dice.chance(0.02):
                    moment = utc(paid, dice.whole(6 * 60, 16 * 60))
                    rows.append((moment, customer.key, f"{each.mrr:.2f}", customer.company.region))
    columns = ("Received (UTC)", "Customer No", "Paid", "region")
    return [dict(zip(columns, row, strict=True)) for row in sorted(rows)]


def tickets(dice: Dice, customers: list[Customer]) -> list[Row]:
    """Export the help desk: who is about to leave asks more."""
    asked = []
    for customer in customers:
        for month in months():
            running = [
                each
                for each in customer.subscriptions
                if each.started <= month and (each.ended or date.max) > month
            ]
            if running:
                leaves = running[-1].ended and (running[-1].ended - month).days < 62
                asked += [(month, customer.key)] * dice.count(0.65 if leaves else 0.32)
    for number in range(sum(ORPHAN_TICKETS.values())):
        unknown = number < ORPHAN_TICKETS["without a customer"]
        asked.append((dice.pick(months()), None if unknown else f"9{number:04}"))
    rows = []
    for month, customer_no in asked:
        # Hours go on to midnight: late ones belong to the next day in Berlin.
        opened = datetime.combine(month, time(), UTC) + timedelta(
            days=dice.whole(0, 27), hours=dice.whole(5, 23), seconds=dice.whole(0, 3599)
        )
        answered = opened + timedelta(seconds=int(dice.around(4 * 3600, 1.0)))
        solved = answered + timedelta(seconds=int(dice.around(26 * 3600, 1.1)))
        rated = solved.date() <= END and dice.chance(0.35)
        rows.append(
            {
                "customer_no": customer_no,
                "created_at": stamp(opened),
                "first_reply_at": stamp(answered) if answered.date() <= END else None,
                "solved_at": stamp(solved) if solved.date() <= END else None,
                "priority": dice.pick({"low": 0.3, "normal": 0.5, "high": 0.15, "urgent": 0.05}),
                "satisfaction": dice.pick((5, 5, 4, 4, 3, 2, 1)) if rated else None,
            }
        )
    rows.sort(key=lambda row: row["created_at"])
    return [{"id": str(10_000 + number), **row} for number, row in enumerate(rows, 1)]


# --- how things are written --------------------------------------------------------------------
def us(day: date | None) -> str:
    """Write a day as in 3/14/2026."""
    return f"{day.month}/{day.day}/{day.year}" if day else ""


def dotted(day: date) -> str:
    """Write a day as in 14.03.2026."""
    return f"{day:%d.%m.%Y}"


def german(amount: float) -> str:
    """Write an amount as in 1.234,50."""
    return f"{amount:,.2f}".translate(str.maketrans(",.", ".,"))


def stamp(moment: datetime) -> str:
    """Write a moment in UTC as in 2026-03-14T09:21:00Z."""
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def utc(day: date, minutes: int) -> str:
    """Write the moment some minutes into a day."""
    return stamp(datetime.combine(day, time(), UTC) + timedelta(minutes=minutes))


def western(text: str) -> str:
    """Leave out the accents that Windows-1252 does not know."""
    return "".join(
        letter if letter == letter.encode("cp1252", "ignore").decode("cp1252") else plain(letter)
        for letter in text
    )


def spoil(name: str, header: list[str], table: list[list[Any]]) -> list[list[Any]]:
    """Put the planted rows that no reader should accept on their lines."""
    for line, (fault, cells) in sorted(REJECTS.get(name, {}).items()):
        bad = [
            cells.get(column, cell) for column, cell in zip(header, table[line - 2], strict=True)
        ]
        if fault == "too many cells":
            bad += ["oops", "a comma too many"]
        table.insert(line - 1, bad[:2] if fault == "too few cells" else bad)
    return table


def write(
    folder: Path,
    name: str,
    rows: Any,
    *,
    encoding: str = "utf-8",
    separator: str = ",",
    above: list[list[str]] | None = None,
    below: list[list[str]] | None = None,
) -> None:
    """Write a text file with a separator, lines above the header and below the rows."""
    rows = list(rows)
    header = list(rows[0])
    table = [*(above or []), header, *(list(row.values()) for row in rows), *(below or [])]
    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator, lineterminator="\n")
    writer.writerows(spoil(name, header, table))
    save(folder, name, text.getvalue().encode(encoding))


def write_json_lines(folder: Path, name: str, rows: list[Row]) -> None:
    """Write one JSON object a line."""
    header = list(rows[0])
    table = spoil(name, header, [list(row.values()) for row in rows])
    lines = (json.dumps(dict(zip(header, cells, strict=True))) for cells in table)
    save(folder, name, "".join(f"{line}\n" for line in lines).encode())


def write_workbook(folder: Path, name: str, rows: Iterator[Row]) -> None:
    """Write an Excel file without the moment it was made in, and uncompressed."""
    from openpyxl import Workbook

    rows = list(rows)
    header = list(rows[0])
    book = Workbook()
    for cells in spoil(name, header, [header, *(list(row.values()) for row in rows)]):
        book.active.append(cells)
    made = io.BytesIO()
    book.save(made)
    again = io.BytesIO()
    with zipfile.ZipFile(made) as old, zipfile.ZipFile(again, "w") as new:
        for part in old.namelist():
            content = old.read(part)
            if part.startswith("docProps/"):  # when it was made, and by what version
                content = b"%b></%b>" % (content.partition(b">")[0], content[1:].split()[0])
            new.writestr(zipfile.ZipInfo(part, (2026, 9, 30, 18, 0, 0)), content)
    save(folder, name, again.getvalue())


def save(folder: Path, name: str, content: bytes) -> None:
    """Write a file into its silo."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "sample")
