"""What may be asked and answered."""

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from hive.broker import BrokerError
from hive.questions import (
    BadAnswer,
    BadQuestion,
    NoSuchQuestion,
    QuestionOver,
    TooManyQuestions,
    policy,
)
from hive.wire.questions import Answer, Ask, Question, QuestionState

ONE = Question(7, "ann", "bob", "Which?", 0.0, ("red", "green blue", "Grün"))
MANY = evolve(ONE, multi=True)
FREE = evolve(ONE, options=())

words = st.text(max_size=30)
asks = st.builds(
    Ask,
    words,
    st.lists(words, max_size=22).map(tuple),
    st.booleans(),
    st.none() | st.floats(-10, 1e7),
    st.sampled_from(["ann", "bob", "operator"]),
)
answers = st.builds(
    Answer,
    st.just(7),
    st.none() | st.sampled_from(["red", " RED ", "green\nblue", "GRÜN", "pink", ""]) | words,
    st.lists(st.integers(-1, 5), max_size=4).map(tuple),
)


@given(asks)
def test_what_may_be_asked_can_be_answered_by_each_of_its_options(ask: Ask) -> None:
    try:
        question = policy.new_question("ann", ask, id_=1, now=100.0)
    except BadQuestion as error:
        assert len(str(error)) < 300
        return
    assert question.to != "ann" and question.text.strip()
    for number, option in enumerate(question.options, start=1):
        assert policy.chosen(question, Answer(1, options=(number,))) == option
        assert policy.chosen(question, Answer(1, f" {option}\n")) == option
        assert "\n" not in option
    if question.multi:
        everything = tuple(range(1, len(question.options) + 1))
        assert policy.chosen(question, Answer(1, options=everything)) == "\n".join(question.options)


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (Ask("q", to="ann"), "cannot ask yourself"),
        (Ask(" "), "it must have 1 to 4000"),
        (Ask("q" * 4001), "4001 characters"),
        (Ask("q", ("a",)), "give 2 to 20"),
        (Ask("q", tuple(map(str, range(21)))), "21 options"),
        (Ask("q", ("a", "A")), "the same"),
        (Ask("q", ("a", " ")), "option 2 must"),
        (Ask("q", ("a", "b\x1b")), "option 2 must"),
        (Ask("q", multi=True), "`multi` is for"),
        (Ask("q", ttl_s=0.5), "it must be 1 to"),
        (Ask("q", ttl_s=31 * 86400.0), "it must be 1 to"),
    ],
)
def test_what_may_not_be_asked(ask: Ask, said: str) -> None:
    with pytest.raises(BadQuestion, match=said):
        policy.new_question("ann", ask, id_=1, now=0.0)


@given(st.sampled_from([ONE, MANY, FREE]), answers)
def test_an_answer_is_one_of_the_options_or_the_text(question: Question, answer: Answer) -> None:
    try:
        text = policy.chosen(question, answer)
    except BadAnswer as error:
        assert all(option in str(error) for option in question.options)
        return
    if not question.options:
        assert text == (answer.text or "").strip() != ""
        return
    lines = text.split("\n")
    assert set(lines) <= set(question.options) and len(set(lines)) == len(lines) >= 1
    assert question.multi or len(lines) == 1
    assert not (answer.options and (answer.text or "").strip())


@pytest.mark.parametrize(
    ("question", "answer", "said"),
    [
        (ONE, Answer(7, "pink"), "none of its options. Its options are 1: red; 2: green blue"),
        (ONE, Answer(7, options=(4,)), "none of its options"),
        (ONE, Answer(7, options=(0,)), "none of its options"),
        (ONE, Answer(7, options=(1, 2)), "choose one option"),
        (MANY, Answer(7, options=(1, 1)), "choose each option once"),
        (ONE, Answer(7), "give either"),
        (ONE, Answer(7, "red", (1,)), "give either"),
        (FREE, Answer(7, " "), "is empty"),
        (FREE, Answer(7, options=(1,)), "has no options"),
    ],
)
def test_wrong_answers_are_told_what_is_right(
    question: Question, answer: Answer, said: str
) -> None:
    with pytest.raises(BadAnswer, match=said):
        policy.chosen(question, answer)


def test_who_may_end_a_question_and_once() -> None:
    red = Answer(7, "red")
    for by in ("ann", "carl"):
        with pytest.raises(NoSuchQuestion, match="not put to you"):
            policy.answered(ONE, by, red, 1.0)
    done = policy.answered(ONE, "bob", red, 1.0)
    assert (done.state, done.answer, done.answered_by) == (QuestionState.ANSWERED, "red", "bob")
    assert policy.answered(done, "bob", Answer(7, options=(1,)), 2.0) is done
    with pytest.raises(QuestionOver, match="answered by bob"):
        policy.answered(done, "operator", red, 2.0)
    with pytest.raises(QuestionOver):
        policy.withdrawn(done, "ann", 2.0)
    with pytest.raises(NoSuchQuestion, match="ann's"):
        policy.withdrawn(ONE, "bob", 2.0)
    gone = policy.withdrawn(ONE, "ann", 2.0)
    assert policy.withdrawn(gone, "ann", 3.0) is gone
    late = evolve(ONE, expires_at=5.0)
    assert policy.answered(late, "operator", red, 4.9).answered_by == "operator"
    with pytest.raises(QuestionOver, match="has expired"):
        policy.answered(late, "bob", red, 5.0)


def test_every_refusal_is_the_brokers_and_has_a_code() -> None:
    for error in (BadQuestion, BadAnswer, NoSuchQuestion, QuestionOver, TooManyQuestions):
        assert issubclass(error, BrokerError) and error.code != BrokerError.code
