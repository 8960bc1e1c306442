from collections.abc import Collection, Iterable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.accounting.series import SUM, Series, labels_of
from exporter.metrics.limits import LabelLimits, Limit
from exporter.tasks.item import TaskLabels

VALUES, SETS = Limit.LABEL_VALUES, Limit.LABEL_SETS


def labels(model: str = "", team: str = "", group: str = "renders", account: str = "default") -> TaskLabels:
    return TaskLabels(account, group, model, (("team", team),) if team else ())


class Followed(Collection[TaskLabels]):
    """The label sets of the followed tasks, and how often it was asked about one."""

    def __init__(self) -> None:
        self.tasks: list[TaskLabels] = []
        self.looks = 0

    def __contains__(self, wanted: object) -> bool:
        self.looks += 1
        return wanted in self.tasks

    def __iter__(self) -> Iterator[TaskLabels]:
        return iter(self.tasks)

    def __len__(self) -> int:
        return len(self.tasks)


class Intake:
    """Whoever follows tasks: takes them with the labels that they get, and drops them again."""

    def __init__(self, *, values: int = 200, sets: int = 1000, configured: Iterable[TaskLabels] = ()) -> None:
        self.followed = Followed()
        self.limits = LabelLimits(in_use=lambda: self.followed)
        self.known = self.configure(configured, values=values, sets=sets)

    def configure(
        self, configured: Iterable[TaskLabels] = (), *, values: int = 200, sets: int = 1000, names: str = "team"
    ) -> tuple[TaskLabels, ...]:
        groups = (labels(group="renders"), labels(group="stills"), *configured)  # every group names its own labels
        return self.limits.configure(groups, label_names=names.split(), label_values=values, label_sets=sets)

    def follow(self, *wanted: TaskLabels) -> list[TaskLabels]:
        """The labels that tasks get which are listed together."""
        with self.limits.admission() as admit:
            got = [admit(each) for each in wanted]
            self.followed.tasks += got
        return got

    def models(self, *models: str) -> list[str]:
        return [got.model for model in models for got in self.follow(labels(model))]

    def drop(self, *gone: TaskLabels, told: bool = True) -> None:
        for each in gone:
            self.followed.tasks.remove(each)
        if told:
            self.limits.released()

    def overflows(self) -> dict[Limit, int]:
        return dict(self.limits.take_overflows())


# ---- values ----------------------------------------------------------------------------------------------------------


def test_values_beyond_the_limit_become_other() -> None:
    intake = Intake(values=2)
    assert intake.models(*"abcab") == ["a", "b", "other", "a", "b"]
    assert intake.overflows() == {VALUES: 1}


def test_each_refusal_counts_and_is_taken_once() -> None:
    intake = Intake(values=0)
    assert intake.models("a", "a", "a") == ["other"] * 3
    assert (intake.overflows(), intake.overflows()) == ({VALUES: 3}, {})


def test_each_label_has_its_own_room() -> None:
    intake = Intake(values=1)
    assert intake.follow(labels("a", "b")) == [labels("a", "b")]
    assert intake.limits.admit_error_code(labels("a", "b"), "c") == "c"


def test_each_task_of_a_list_counts_whose_labels_are_refused() -> None:
    intake = Intake(values=0, sets=1)
    assert intake.follow(*[labels("a", "x")] * 3) == [labels("other", "other")] * 3
    assert intake.overflows() == {VALUES: 6}


def test_only_what_is_too_much_becomes_other() -> None:
    intake = Intake(values=1)
    intake.follow(labels("a", "video"))
    assert intake.follow(labels("b", "video"), labels("a", "print")) == [
        labels("other", "video"),
        labels("a", "other"),
    ]


@pytest.mark.parametrize("value", ["", "other"])
def test_no_value_and_other_take_no_room(value: str) -> None:
    intake = Intake(values=0)
    assert intake.models(value) == [value]
    assert intake.overflows() == {}


def test_groups_share_the_values() -> None:
    intake = Intake(values=1)
    intake.follow(labels("a", group="renders"))
    assert intake.follow(labels("b", group="stills")) == [labels("other", group="stills")]


@pytest.mark.parametrize(("longest", "too_long"), [("x" * 256, "x" * 257), ("動" * 85, "動" * 86)])
def test_values_too_long_are_refused(longest: str, too_long: str) -> None:
    intake = Intake()
    assert intake.models(longest, too_long) == [longest, "other"]
    assert intake.limits.admit_error_code(labels(), too_long) == "other"
    assert intake.overflows() == {VALUES: 2}


def test_what_utf8_cannot_carry_is_replaced() -> None:
    intake = Intake()
    assert intake.models("bad\ud800") == ["bad?"]
    assert intake.limits.admit_error_code(labels(), "\udcff") == "?"


def test_labels_that_are_not_declared_are_left_out() -> None:
    odd = TaskLabels("default", "renders", "a", (("owner", "someone"), ("team", "video")))
    assert Intake().follow(odd) == [labels("a", "video")]


# ---- sets ------------------------------------------------------------------------------------------------------------


def test_sets_beyond_the_limit_become_other_in_every_label() -> None:
    intake = Intake(sets=3)  # one of them is the group's own
    wanted = [labels(model, team) for model in "ab" for team in "xy"]
    assert intake.follow(*wanted) == [*wanted[:2], labels("other", "other"), labels("other", "other")]
    assert intake.overflows() == {SETS: 2}


def test_labels_that_a_refused_set_lacks_become_other_too() -> None:
    """Else each combination of missing and present labels would be one more set."""
    intake = Intake(sets=1)
    assert intake.follow(labels("a"), labels("", "x")) == [labels("other", "other")] * 2


def test_a_refused_set_takes_no_room_for_its_values() -> None:
    intake = Intake(sets=1, values=1)
    intake.follow(labels("junk", "junk"))
    assert intake.follow(labels("a", group="stills")) == [labels("other", "other", group="stills")]
    intake.configure(values=1, sets=2)
    assert intake.follow(labels("a", group="stills")) == [labels("a", group="stills")]


def test_each_group_has_its_own_room() -> None:
    intake = Intake(sets=2)
    assert intake.follow(labels("a"), labels("a", group="stills")) == [labels("a"), labels("a", group="stills")]


def test_sets_too_long_are_refused() -> None:
    def long(team: int, owner: int) -> TaskLabels:
        return TaskLabels("default", "renders", "x" * 256, (("owner", "x" * owner), ("team", "x" * team)))

    intake = Intake()
    intake.configure(names="owner team")
    refused = TaskLabels("default", "renders", "other", (("owner", "other"), ("team", "other")))
    assert intake.follow(long(128, 128), long(129, 128)) == [long(128, 128), refused]
    assert intake.overflows() == {SETS: 1}


# ---- error codes -----------------------------------------------------------------------------------------------------


def failed(intake: Intake, *failures: tuple[TaskLabels, str]) -> list[str]:
    return [intake.limits.admit_error_code(*failure) for failure in failures]


def test_error_codes_beyond_the_limit_become_other() -> None:
    intake = Intake(values=2)
    assert failed(intake, *((labels(), code) for code in "abcab")) == ["a", "b", "other", "a", "b"]
    assert intake.overflows() == {VALUES: 1}


def test_pairs_of_a_set_and_an_error_code_are_limited_too() -> None:
    intake = Intake(sets=3)
    a, b = intake.follow(labels("a"), labels("b"))
    other_group = labels(group="stills")
    pairs = [(a, "hot"), (a, "cold"), (b, "hot"), (b, "cold"), (a, "cold"), (other_group, "cold")]
    assert failed(intake, *pairs) == ["hot", "cold", "hot", "other", "cold", "cold"]
    assert intake.overflows() == {SETS: 1}


@pytest.mark.parametrize("code", ["", "unknown", "other", "content_policy_violation"])
def test_codes_that_are_shown_anyway_take_no_room(code: str) -> None:
    intake = Intake(values=0, sets=0)
    assert failed(intake, (labels(), code)) == [code]
    assert intake.overflows() == {}


# ---- the configuration -----------------------------------------------------------------------------------------------


def test_configured_sets_and_values_are_never_refused() -> None:
    intake = Intake(values=0, sets=0, configured=[labels("sora-2", "video"), labels("x" * 300)])
    assert intake.known[-2:] == (labels("sora-2", "video"), labels("x" * 300))
    assert intake.follow(*intake.known) == list(intake.known)
    assert intake.overflows() == {}


def test_what_is_configured_takes_its_places_from_the_rest() -> None:
    intake = Intake(values=3, sets=3, configured=[labels("a"), labels("b")])
    assert intake.models("c") == ["other"]
    assert intake.overflows() == {SETS: 1}


def test_a_configured_value_keeps_its_place_in_new_sets() -> None:
    intake = Intake(values=1, configured=[labels("a", "video")])
    assert intake.follow(labels("a"), labels("b", "video")) == [labels("a"), labels("other", "video")]


def test_lower_limits_change_nothing_that_is_in_use() -> None:
    intake = Intake()
    intake.models(*"abc")
    intake.configure(values=1, sets=1)
    assert intake.models(*"abcd") == ["a", "b", "c", "other"]


def test_higher_limits_make_room() -> None:
    intake = Intake(values=0)
    intake.models("a")
    intake.configure(values=1)
    assert intake.models("a") == ["a"]


def test_what_the_configuration_names_no_more_gives_its_place_back() -> None:
    intake = Intake(sets=2, configured=[labels("old")])
    intake.configure(sets=2)
    assert intake.models("new") == ["new"]


def test_it_keeps_the_place_while_tasks_or_totals_carry_it() -> None:
    intake = Intake(configured=[labels("old"), labels("older")])
    intake.follow(labels("old"))
    intake.limits.keep(labels("older"))
    intake.configure(sets=3)
    assert intake.models("new", "old", "older") == ["other", "old", "older"]


def test_totals_of_a_group_that_is_not_configured_take_no_places_until_it_comes_back() -> None:
    intake = Intake(values=1)
    intake.limits.restore([finished(labels("hidden", group="gone"))])
    assert intake.models("a") == ["a"]
    intake.configure([labels(group="gone")], values=1)
    assert intake.follow(labels("hidden", group="gone"), labels("b")) == [
        labels("hidden", group="gone"),
        labels("other"),
    ]


def test_a_label_that_is_declared_no_more_takes_no_room() -> None:
    intake = Intake()
    for team in "xyz":
        intake.limits.keep(*intake.follow(labels("a", team)))
    intake.drop(*intake.followed.tasks)
    intake.configure(sets=3, names="")
    assert intake.models("a", "b", "c") == ["a", "b", "other"]


# ---- totals ----------------------------------------------------------------------------------------------------------


def finished(of: TaskLabels, family: str = "bytespike_tasks_finished_total", part: str = "", **more: str) -> Series:
    always = {"account": of.account, "group": of.group, "model": of.model, **dict(of.user)}
    return Series(family, labels_of(**always, **more), part)


def test_restored_sets_keep_their_names_even_beyond_the_limits() -> None:
    intake = Intake(values=1, sets=1)
    shown = [labels("a", "x"), labels("b", "y"), labels("other", "y")]
    stored = [
        finished(shown[0], status="completed"),
        finished(shown[1], "bytespike_tasks_queue_duration_seconds", SUM),
        finished(shown[2], "bytespike_tasks_duration_seconds", SUM, status="failed"),
    ]
    intake.limits.restore(stored)
    assert intake.follow(*shown, labels("a")) == [*shown, labels("other", "other")]


def test_restored_error_codes_keep_their_names_even_beyond_the_limits() -> None:
    intake = Intake(values=1, sets=1)
    intake.limits.restore(
        finished(labels(), "bytespike_tasks_failed_total", error_code=code) for code in ("a", "b", "unknown")
    )
    assert failed(intake, *((labels(), code) for code in "abc")) == ["a", "b", "other"]


def test_totals_that_are_not_of_tasks_have_no_label_sets() -> None:
    intake = Intake(sets=1)
    intake.limits.restore([Series("bytespike_api_requests_total", labels_of(account="default", model="a"))])
    assert intake.models("a") == ["other"]


def test_what_has_been_counted_keeps_its_place_when_its_tasks_are_gone() -> None:
    intake = Intake(values=3)
    counted, queued, gone = intake.follow(labels("counted"), labels("queued"), labels("gone"))
    intake.limits.admit_error_code(counted, "")
    intake.limits.keep(queued)
    intake.drop(counted, queued, gone)
    assert intake.models("new", "newer", "counted", "queued") == ["new", "other", "counted", "queued"]


# ---- places that are given back --------------------------------------------------------------------------------------


def test_junk_that_is_gone_pushes_nobody_into_other() -> None:
    intake = Intake()
    junk = intake.follow(*(labels(f"junk-{number}") for number in range(300)))
    assert intake.models("honest") == ["other"]
    intake.drop(*junk)
    assert intake.models("honest") == ["honest"]


def test_a_value_is_free_when_the_last_set_that_has_it_is() -> None:
    intake = Intake(values=1)
    first, second = intake.follow(labels("a", "x"), labels("a"))
    intake.drop(first)
    assert intake.models("b") == ["other"]
    intake.drop(second)
    assert intake.models("b") == ["b"]


def test_a_set_that_another_task_carries_keeps_its_place() -> None:
    intake = Intake(sets=2)
    first, _ = intake.follow(labels("a"), labels("a"))
    intake.drop(first)
    assert intake.models("b", "a") == ["other", "a"]


def test_labels_admitted_for_a_task_that_was_not_followed_are_free_again() -> None:
    intake = Intake(sets=7)
    gone = intake.follow(*(labels(str(number)) for number in range(6)))[0]
    intake.drop(gone)
    with intake.limits.admission() as admit:
        assert admit(labels("never")) == labels("never")
    assert intake.models("a") == ["a"]


def test_places_are_taken_back_after_a_reload_too() -> None:
    intake = Intake(sets=2)
    gone = intake.follow(labels("gone"))
    intake.configure(sets=2)
    intake.drop(*gone)
    assert intake.models("a") == ["a"]


def test_nothing_is_taken_back_from_a_list_that_is_being_admitted() -> None:
    intake = Intake(sets=3)
    intake.limits.released()
    assert [got.model for got in intake.follow(*map(labels, "abcab"))] == ["a", "b", "other", "a", "b"]


def test_nor_from_one_that_waits_while_another_is_admitted() -> None:
    intake = Intake(sets=2)
    with intake.limits.admission() as admit:
        waiting = admit(labels("a"))
        for _ in range(2):
            intake.limits.released()
            assert intake.models("b") == ["other"]
        intake.followed.tasks.append(waiting)
    assert intake.models("a", "b") == ["a", "other"]


def test_refusals_do_not_cost_a_look_each() -> None:
    intake = Intake(sets=101)
    intake.models(*(str(number) for number in range(100)))
    intake.followed.looks = 0
    intake.models(*(f"refused-{number}" for number in range(1000)))
    assert 0 < intake.followed.looks <= 1100


def test_room_is_found_sooner_or_later_without_being_told() -> None:
    intake = Intake(sets=101)
    gone = intake.follow(*(labels(str(number)) for number in range(100)))
    assert intake.models("refused") == ["other"]
    intake.drop(*gone, told=False)
    assert intake.models("late") == ["other"]
    assert intake.models(*["late"] * 100)[-1] == "late"


# ---- whatever happens ------------------------------------------------------------------------------------------------

some_labels = st.builds(labels, st.sampled_from("abcde") | st.just(""), st.sampled_from(["", *"xyz"]))


@given(data=st.data(), sets=st.integers(0, 5), values=st.integers(0, 4), configured=st.lists(some_labels, max_size=3))
def test_the_limits_hold_whatever_happens(
    data: st.DataObject, sets: int, values: int, configured: list[TaskLabels]
) -> None:
    intake = Intake(sets=sets, values=values, configured=configured)
    restored = data.draw(st.lists(some_labels, max_size=3), label="restored")
    intake.limits.restore(map(finished, restored))
    counted: set[TaskLabels] = {*restored}
    for _ in range(data.draw(st.integers(0, 20), label="steps")):
        match data.draw(st.sampled_from(["follow", "follow", "drop", "count", "reload"])):
            case "follow":
                wanted = data.draw(st.lists(some_labels, max_size=4))
                got = intake.follow(*wanted)
                assert all(given == want for given, want in zip(got, wanted, strict=True) if want in intake.known)
            case "drop" if intake.followed.tasks:
                intake.drop(data.draw(st.sampled_from(intake.followed.tasks)), told=data.draw(st.booleans()))
            case "count" if intake.followed.tasks:
                one = data.draw(st.sampled_from(intake.followed.tasks))
                intake.limits.keep(one)
                counted.add(one)
            case "reload":
                intake.configure(configured, sets=sets, values=values)
        in_use = {*intake.followed.tasks}
        assert intake.follow(*sorted(in_use)) == sorted(in_use), "they stay while they are in use"
        intake.followed.tasks[-len(in_use) :] = []
        shown = in_use | counted | {*intake.known}
        always = {*intake.known, *restored}
        assert len({one for one in shown if one.group == "renders"}) <= sets + len(always) + 1
        assert len({one.model for one in shown} - {"", "other"}) <= values + len({one.model for one in always})
        assert len({team for one in shown for _, team in one.user} - {"other"}) <= values + len(always)


@given(st.lists(st.tuples(some_labels, st.sampled_from("abcdef")), max_size=60), st.integers(0, 8), st.integers(0, 4))
def test_error_codes_never_multiply(failures: list[tuple[TaskLabels, str]], sets: int, values: int) -> None:
    intake = Intake(sets=sets, values=values)
    pairs = {(of, intake.limits.admit_error_code(of, code)) for of, code in failures}
    assert len({pair for pair in pairs if pair[1] != "other"}) <= sets
    assert len({code for _, code in pairs} - {"other"}) <= values
    again = {(of, intake.limits.admit_error_code(of, code)) for of, code in pairs}
    assert again == pairs
