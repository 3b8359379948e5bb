"""The end of what jobs wrote, kept for a window."""

from cmdexec.worker.page.tails import Part, Tails


def text(part: Part | None) -> str:
    assert part is not None
    return "".join(f"{stream[3]}:{data.decode()} " for stream, data in part.pieces).strip()


def test_both_streams_are_read_in_their_order_from_any_place() -> None:
    tails = Tails(1 << 20)
    tails.begin("j.1")
    assert tails.read("j.1", 0, 100) == Part(0, 0, (), False)
    for stream, data in (("stdout", b"one"), ("stdout", b"two"), ("stderr", b"bad"), ("stdout", b"three")):
        tails.write("j.1", stream, data)  # type: ignore[arg-type]
    assert text(tails.read("j.1", 0, 100)) == "o:onetwo e:bad o:three"
    assert text(tails.read("j.1", 4, 100)) == "o:wo e:bad o:three"
    part = tails.read("j.1", 0, 4)
    assert part is not None
    assert (part.end, part.over) == (6, False), "a piece is not cut"
    tails.end("j.1")
    last = tails.read("j.1", 9, 100)
    assert last is not None
    assert (text(last), last.over) == ("o:three", True)
    assert tails.read("j.2", 0, 100) is None


def test_a_job_has_a_sixteenth_and_all_together_have_no_more_than_they_may() -> None:
    tails = Tails(1 << 20)
    for _ in range(100):
        tails.write("big.1", "stdout", b"x" * 16384)
    part = tails.read("big.1", 0, 1 << 20)
    assert part is not None
    assert part.start > 0
    assert part.end == 100 * 16384
    assert part.end - part.start <= (1 << 20) // 16
    for job in range(40):
        for _ in range(4):
            tails.write(f"j{job}.1", "stdout", b"y" * 16384)
    parts = [tails.read(f"j{job}.1", 0, 1 << 20) for job in range(40)]
    assert sum(part.end - part.start for part in parts if part is not None) <= 1 << 20


def test_what_is_left_out_of_one_large_piece_counts_as_well() -> None:
    tails = Tails(1 << 20)
    bound = (1 << 20) // 16
    tails.write("big.1", "stdout", b"first")
    tails.write("big.1", "stdout", b"x" * (3 * bound) + b"last")
    part = tails.read("big.1", 5, 1 << 20)
    assert part is not None
    assert (part.start, part.end) == (5 + 2 * bound + 4, 5 + 3 * bound + 4)
    assert part.pieces[0][1].endswith(b"xlast")


def test_of_those_that_have_ended_the_last_ones_are_kept() -> None:
    tails = Tails(1 << 20)
    for job in range(30):
        tails.write(f"j{job}.1", "stdout", b"x")
        tails.end(f"j{job}.1")
    assert tails.read("j0.1", 0, 10) is None
    assert text(tails.read("j29.1", 0, 10)) == "o:x"
