"""A change is called one only when it is; a point only when the trend says so."""

import revops_kit as rk
from revops_kit import samples, show
from revops_kit.stats import control


def payments(*amounts):
    """Make one payment a month, the last in September 2026."""
    months = [period.start for period in rk.last(len(amounts), "2026-09")]
    return [
        {"customer_id": "A", "paid_on": month, "amount": amount}
        for month, amount in zip(months, amounts, strict=True)
    ]


def trend(*amounts, as_of="2026-09-30"):
    ws = samples.workspace({"payments": payments(*amounts)}, as_of=as_of)
    return rk.kpis.payments.over(ws, rk.last(len(amounts), "2026-09"))


def decided(month, won, lost):
    return [
        {
            "opportunity_id": f"{month}-{at}",
            "outcome": "won" if at < won else "lost",
            "closed_at": f"2026-{month:02d}-05",
        }
        for at in range(won + lost)
    ]


def test_point_outside_the_limits_is_signal():
    result = trend(10, 12, 11, 9, 10, 11, 20)
    # mean 83/7; ranges 2, 1, 2, 1, 1, 9: mean 16/6; limits 11.86 ± 2.66 × 2.67 = 4.76 to 18.95
    assert result.is_signal
    assert result.verdict == "above the usual"
    assert "signal: $20 lies above the natural limits, $4.76 to $18.95" in result.signal()


def test_point_within_the_limits_is_noise():
    result = trend(10, 12, 11, 9, 10, 11, 12)
    assert result.is_signal is False
    assert result.verdict == "within natural variation"
    assert "is noise" in result.signal()


def test_few_points_tell_nothing():
    result = trend(10, 12, 11)
    assert result.is_signal is None
    assert result.verdict == ""
    assert "cannot be told" in result.signal()


def test_partial_period_is_no_signal():
    result = trend(10, 12, 11, 9, 10, 11, 0.5, as_of="2026-09-10")
    assert result.is_signal is None
    assert result.signal().startswith("August 2026 is noise")


def test_interval_of_the_difference_decides_what_is_a_change():
    ws = samples.workspace({"opportunities": [*decided(8, 48, 32), *decided(9, 56, 14)]})
    change = rk.kpis.win_rate.over(ws, rk.last(2, "2026-09")).change
    # Newcombe (1998), Table II, method 10: 56/70 − 48/80 is .2, from .0524 to .3339
    assert round(change.difference, 4) == 0.2
    assert (round(change.low, 4), round(change.high, 4)) == (0.0524, 0.3339)
    assert change.is_clear
    ws = samples.workspace({"opportunities": [*decided(8, 5, 5), *decided(9, 6, 4)]})
    result = rk.kpis.win_rate.over(ws, rk.last(2, "2026-09"))
    assert result.change.is_clear is False
    assert result.headline().endswith("– within natural variation.")


def test_young_leads_are_not_compared():
    leads = [{"lead_id": str(at), "created_at": "2026-09-01"} for at in range(5)]
    ws = samples.workspace({"leads": leads, "opportunities": decided(9, 1, 1)})
    result = rk.kpis.conversion_rate.over(ws, rk.last(8, "2026-09"))
    assert result.change is None
    assert result.is_signal is None


def test_cards_say_better_or_worse_in_words_only_where_it_is_clear():
    up = show.cards([trend(10, 12, 11, 9, 10, 11, 20)]).markup
    assert 'class="chip good"' in up
    assert "Signal: better than usual" in up
    calm = show.cards([trend(10, 12, 11, 9, 10, 11, 12)]).markup
    assert 'class="chip noise"' in calm
    assert "</span> Noise</p>" in calm


def leads(**segments):
    return [
        {
            "lead_id": f"{source}{at}",
            "created_at": "2026-09-01",
            "source": source,
            "converted_at": "2026-09-09" if at < won else None,
        }
        for source, (won, count) in segments.items()
        for at in range(count)
    ]


def test_segments_that_differ_from_the_rest_are_named_after_correction():
    made = leads(fair=(60, 100), search=(30, 100), social=(28, 100), mail=(33, 100))
    result = rk.kpis.conversion_rate(samples.workspace({"leads": made}), "2026-09", by="source")
    # fair: .60 against 91/300, z = 5.28; social: .28 against 123/300, z = −2.31, p = .021 and
    # .042 after correction; search: .30 against 121/300, p = .066; mail: .33 against 118/300.
    assert result.differing() == {"fair": "above the rest", "social": "below the rest"}
    assert "above the rest" in show.table(result).markup


def test_one_segment_of_many_is_not_found_by_chance():
    alike = {f"s{at}": (10 + at % 3, 50) for at in range(12)}
    result = rk.kpis.conversion_rate(
        samples.workspace({"leads": leads(**alike)}), "2026-09", by="source"
    )
    assert result.differing() == {}


def test_money_has_no_such_test():
    assert trend(10, 12).differing() == {}


def test_figures_that_share_their_history_are_neither_signal_nor_noise():
    starts = [f"2025-{month:02d}-10" for month in range(1, 13)]
    running = [
        {
            "subscription_id": f"{start}{at}",
            "customer_id": f"{start}{at}",
            "started_on": start,
            "ended_on": "2026-03-05" if at == 0 else None,
            "mrr": 100.0 + 10 * at,
        }
        for start in starts
        for at in range(3)
    ]
    ws = samples.workspace({"subscriptions": running}, as_of="2026-09-30")
    result = rk.kpis.clv.over(ws, rk.last(6, "2026-09"))
    assert result.value > 0
    assert (result.change.low, result.change.is_clear, result.is_signal) == (None, None, None)
    assert result.verdict == ""
    assert "share most of what they count" in result.signal()


def running(*amounts):
    """Let recurring revenue come to these amounts, the last at the end of September 2026."""
    months = [period.start for period in rk.last(len(amounts), "2026-09")]
    return [
        {
            "subscription_id": str(at),
            "customer_id": str(at),
            "started_on": month,
            "mrr": amount - before,
        }
        for at, (month, amount, before) in enumerate(
            zip(months, amounts, (0, *amounts), strict=False)
        )
    ]


def stock(*amounts):
    ws = samples.workspace({"subscriptions": running(*amounts)}, as_of="2026-09-30")
    return rk.kpis.revenue.over(ws, rk.last(len(amounts), "2026-09"))


def test_steady_growth_of_a_stock_is_no_signal():
    steady = stock(100, 110, 121, 130, 141, 150, 161, 172, 181)
    # changes 10, 11, 9, 11, 9, 11, 11, 9: mean 10.125; steps 1, 2, 2, 2, 2, 0, 2: 11/7 on average
    assert steady.is_signal is False
    assert steady.verdict == "within natural variation"
    assert steady.limits is None
    assert steady.signal() == (
        "The change in September 2026 is noise: +$9 lies within the natural limits, "
        "+$5.95 to +$14.30, and no pattern leads to it. The mean change is +$10.12."
    )
    assert steady.headline() == (
        "Revenue in September 2026: $181, +$9 on August 2026 – a change within natural variation."
    )
    assert control.xmr(steady.frame.value).is_signal(), "as the values themselves would be"


def test_change_of_a_stock_is_signal_when_it_is_not_like_the_others():
    jumped = stock(100, 110, 121, 130, 141, 150, 161, 172, 240)
    assert jumped.is_signal
    assert jumped.verdict == "change above the usual"
    assert jumped.signal().startswith("The change in September 2026 is signal: +$68 lies above")
    assert "(change above)" in show.headline({"payments": jumped})
    assert "better than usual" in show.cards([jumped]).markup


def test_stock_over_one_period_tells_nothing():
    assert "cannot be told" in stock(100).signal()
