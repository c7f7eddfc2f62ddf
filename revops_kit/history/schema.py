"""The tables of a history, by SQLAlchemy."""

import datetime as dt

import sqlalchemy as sa

VERSION = 1
LEVELS = (50, 80, 90, 95)  # of the intervals of forecasts, in percent


class Moment(sa.TypeDecorator):
    """A moment with its time zone; SQLite would forget the zone."""

    impl = sa.DateTime
    cache_ok = True

    def process_bind_param(self, value: dt.datetime | None, _: sa.Dialect) -> dt.datetime | None:
        """Write it in UTC."""
        return value and value.astimezone(dt.UTC).replace(tzinfo=None)

    def process_result_value(self, value: dt.datetime | None, _: sa.Dialect) -> dt.datetime | None:
        """Read it as UTC."""
        return value and value.replace(tzinfo=dt.UTC)


tables = sa.MetaData()
version = sa.Table("revops_schema", tables, sa.Column("version", sa.Integer, nullable=False))


def _text(name: str) -> sa.Column:
    return sa.Column(name, sa.Text, nullable=False, server_default="")


def _run() -> sa.Column:
    return sa.Column("run_id", sa.ForeignKey("revops_runs.id"), index=True)


def _numbers(*names: str) -> list[sa.Column]:
    return [sa.Column(name, sa.Double) for name in names]


runs = sa.Table(
    "revops_runs",
    tables,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("report", sa.Text, nullable=False, index=True),
    sa.Column("logical_date", sa.Date, nullable=False),
    _text("period"),
    sa.Column("as_of", sa.Date),
    sa.Column("started", Moment, nullable=False),
    sa.Column("seconds", sa.Double),
    _text("status"),
    _text("error"),
)
figures = sa.Table(
    "revops_figures",
    tables,
    sa.Column("id", sa.Integer, primary_key=True),
    _run(),
    sa.Column("kpi", sa.Text, nullable=False),
    _text("by"),
    _text("segment"),
    sa.Column("period", sa.Text, nullable=False),
    *_numbers("value", "low", "high", "n"),
    _text("unit"),
    sa.Column("is_partial", sa.Boolean, nullable=False),
    sa.Index("revops_figures_key", "kpi", "by", "segment", "period"),
)
forecasts = sa.Table(
    "revops_forecasts",
    tables,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("made_at", Moment, nullable=False),
    sa.Column("as_of", sa.Date),
    sa.Column("kpi", sa.Text, nullable=False),
    _text("by"),
    _text("segment"),
    sa.Column("period", sa.Text, nullable=False),
    *_numbers("mean", *(f"{end}_{level}" for level in LEVELS for end in ("low", "high"))),
    _text("model"),
    _text("unit"),
    sa.Index("revops_forecasts_key", "kpi", "by", "segment", "period"),
)
# A row per mail and reader, written by mail.ledger, which says what its states mean.
mails = sa.Table(
    "revops_mails",
    tables,
    sa.Column("id", sa.Integer, primary_key=True),
    _run(),
    sa.Column("report", sa.Text, nullable=False),
    _text("part"),
    sa.Column("logical_date", sa.Date, nullable=False),
    sa.Column("recipient", sa.Text, nullable=False),
    _text("correction"),
    sa.Column("content", sa.Text, nullable=False),
    sa.Column("message_id", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("is_handed_over", sa.Boolean, nullable=False),
    sa.Column("claimed_by", sa.Text, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("code", sa.Integer),
    _text("stage"),
    sa.Column("claimed_at", Moment, nullable=False),
    sa.Column("changed_at", Moment, nullable=False),
    sa.UniqueConstraint("report", "part", "logical_date", "recipient", "correction"),
)
