"""The pages that hold us against OTP and Elixir are complete.

docs/otp-parity.md has a row for each public function of the modules it speaks of, docs/otp-cases.md
one for each case of their own tests. The names are those that OTP 25's and Elixir 1.14's modules
export, without callbacks and what their documentation does not show. A row is proved by whoever
wrote it, on both sides; here only that it is there, and says something.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent / "docs"
PAGE = (DOCS / "otp-parity.md").read_text("utf-8")
CASES = (DOCS / "otp-cases.md").read_text("utf-8")
VERDICTS = {"same", "differs", "absent"}

_CELLS = re.compile(r"(?<!\\)\|")

FUNCTIONS = {
    "Processes: `erlang`": """
        alias/0 alias/1 cancel_timer/1 cancel_timer/2 demonitor/1 demonitor/2 erase/0 erase/1 exit/1
        exit/2 get/0 get/1 get_keys/0 get_keys/1 group_leader/0 group_leader/2 hibernate/3
        is_process_alive/1 link/1 monitor/2 monitor/3 process_flag/2 process_flag/3 process_info/1
        process_info/2 processes/0 put/2 read_timer/1 read_timer/2 register/2 registered/0
        resume_process/1 self/0 send/2 send/3 send_after/3 send_after/4 send_nosuspend/2
        send_nosuspend/3 spawn/1 spawn/2 spawn/3 spawn/4 spawn_link/1 spawn_link/2 spawn_link/3
        spawn_link/4 spawn_monitor/1 spawn_monitor/2 spawn_monitor/3 spawn_monitor/4 start_timer/3
        start_timer/4 suspend_process/1 suspend_process/2 unalias/1 unlink/1 unregister/1 whereis/1
    """,
    "`supervisor`": """
        check_childspecs/1 check_childspecs/2 count_children/1 delete_child/2 get_callback_module/1
        get_childspec/2 restart_child/2 start_child/2 start_link/2 start_link/3 terminate_child/2
        which_children/1
    """,
    "`gen_server`": """
        abcast/2 abcast/3 call/2 call/3 cast/2 check_response/2 check_response/3 enter_loop/3
        enter_loop/4 enter_loop/5 multi_call/2 multi_call/3 multi_call/4 receive_response/2
        receive_response/3 reply/2 reqids_add/3 reqids_new/0 reqids_size/1 reqids_to_list/1
        send_request/2 send_request/4 start/3 start/4 start_link/3 start_link/4 start_monitor/3
        start_monitor/4 stop/1 stop/3 wait_response/2 wait_response/3
    """,
    "`gen_statem`": """
        call/2 call/3 cast/2 check_response/2 check_response/3 enter_loop/4 enter_loop/5
        enter_loop/6 receive_response/1 receive_response/2 receive_response/3 reply/1 reply/2
        reqids_add/3 reqids_new/0 reqids_size/1 reqids_to_list/1 send_request/2 send_request/4
        start/3 start/4 start_link/3 start_link/4 start_monitor/3 start_monitor/4 stop/1 stop/3
        wait_response/1 wait_response/2 wait_response/3
    """,
    "`ets`": """
        all/0 delete/1 delete/2 delete_all_objects/1 delete_object/2 file2tab/1 file2tab/2 first/1
        foldl/3 foldr/3 from_dets/2 fun2ms/1 give_away/3 i/0 i/1 info/1 info/2 init_table/2 insert/2
        insert_new/2 is_compiled_ms/1 last/1 lookup/2 lookup_element/3 match/1 match/2 match/3
        match_delete/2 match_object/1 match_object/2 match_object/3 match_spec_compile/1
        match_spec_run/2 member/2 new/2 next/2 prev/2 rename/2 repair_continuation/2 safe_fixtable/2
        select/1 select/2 select/3 select_count/2 select_delete/2 select_replace/2 select_reverse/1
        select_reverse/2 select_reverse/3 setopts/2 slot/2 tab2file/2 tab2file/3 tab2list/1
        tabfile_info/1 table/1 table/2 take/2 test_ms/2 to_dets/2 update_counter/3 update_counter/4
        update_element/3 whereis/1
    """,
    "`sys`": """
        change_code/4 change_code/5 debug_options/1 get_debug/3 get_log/1 get_state/1 get_state/2
        get_status/1 get_status/2 handle_debug/4 handle_system_msg/6 install/2 install/3 log/2 log/3
        log_to_file/2 log_to_file/3 no_debug/1 no_debug/2 print_log/1 remove/2 remove/3
        replace_state/2 replace_state/3 resume/1 resume/2 statistics/2 statistics/3 suspend/1
        suspend/2 terminate/2 terminate/3 trace/2 trace/3
    """,
    "Elixir's `DynamicSupervisor`": """
        child_spec/1 count_children/1 init/1 start_child/2 start_link/1 start_link/2 start_link/3
        stop/1 stop/2 stop/3 terminate_child/2 which_children/1
    """,
    "Elixir's `PartitionSupervisor`": """
        child_spec/1 count_children/1 partitions/1 start_link/1 stop/1 stop/2 stop/3
        which_children/1
    """,
    "Elixir's `Registry`": """
        child_spec/1 count/1 count_match/3 count_match/4 count_select/2 delete_meta/2 dispatch/3
        dispatch/4 keys/2 lookup/2 match/3 match/4 meta/2 put_meta/3 register/3 select/2
        start_link/1 unregister/2 unregister_match/3 unregister_match/4 update_value/3 values/3
    """,
    "Elixir's `Task` and `Task.Supervisor`": """
        Task.async/1 Task.async/3 Task.async_stream/2 Task.async_stream/3 Task.async_stream/4
        Task.async_stream/5 Task.await/1 Task.await/2 Task.await_many/1 Task.await_many/2
        Task.child_spec/1 Task.completed/1 Task.ignore/1 Task.shutdown/1 Task.shutdown/2
        Task.start/1 Task.start/3 Task.start_link/1 Task.start_link/3 Task.yield/1 Task.yield/2
        Task.yield_many/1 Task.yield_many/2 Task.Supervisor.async/2 Task.Supervisor.async/3
        Task.Supervisor.async/4 Task.Supervisor.async/5 Task.Supervisor.async_nolink/2
        Task.Supervisor.async_nolink/3 Task.Supervisor.async_nolink/4
        Task.Supervisor.async_nolink/5 Task.Supervisor.async_stream/3
        Task.Supervisor.async_stream/4 Task.Supervisor.async_stream/5
        Task.Supervisor.async_stream/6 Task.Supervisor.async_stream_nolink/3
        Task.Supervisor.async_stream_nolink/4 Task.Supervisor.async_stream_nolink/5
        Task.Supervisor.async_stream_nolink/6 Task.Supervisor.child_spec/1
        Task.Supervisor.children/1 Task.Supervisor.start_child/2 Task.Supervisor.start_child/3
        Task.Supervisor.start_child/4 Task.Supervisor.start_child/5 Task.Supervisor.start_link/0
        Task.Supervisor.start_link/1 Task.Supervisor.terminate_child/2
    """,
}

SUITES = {
    "OTP: `supervisor_SUITE`": 93,
    "Elixir: `DynamicSupervisorTest`": 41,
    "Elixir: `PartitionSupervisorTest`": 22,
    "Elixir: `RegistryTest`": 75,
    "Elixir: `TaskTest` and `Task.SupervisorTest`": 160,
}
"""How many cases each suite has."""


def rows(section: str, page: str = PAGE) -> list[list[str]]:
    """Return the cells of each row of a section's table."""
    _, _, after = page.partition(f"\n## {section}\n")
    text = after.partition("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in _CELLS.split(line.strip()[1:-1])] for line in lines[1:]]


def names(cell: str) -> set[str]:
    """Return the functions that a cell names: `f/2,3` are two, `f/2` to `f/4` are three."""
    named = {
        f"{name}/{arity}"
        for name, arities in re.findall(r"`([\w.]+)/(\d(?:,\d)*)`", cell)
        for arity in arities.split(",")
    }
    for name, first, last in re.findall(r"`([\w.]+)/(\d)` to `[\w.]+/(\d)`", cell):
        named |= {f"{name}/{arity}" for arity in range(int(first), int(last) + 1)}
    return named


@pytest.mark.parametrize("section", sorted(FUNCTIONS))
def test_each_public_function_has_a_row(section: str) -> None:
    here = set[str]().union(*(names(row[0]) for row in rows(section)))
    assert sorted(set(FUNCTIONS[section].split()) - here) == []


@pytest.mark.parametrize("section", FUNCTIONS)
def test_a_row_says_whether_it_is_the_same_and_if_not_why(section: str) -> None:
    for row in rows(section):
        assert len(row) == 4, row
        theirs, ours, verdict, why = row
        assert theirs or ours, row
        assert verdict in VERDICTS, row
        assert why or verdict == "same", row


@pytest.mark.parametrize("suite", SUITES)
def test_each_case_of_a_suite_has_a_test_of_ours_or_a_reason(suite: str) -> None:
    table = rows(suite, CASES)
    assert len({case for case, _ in table}) == len(table) == SUITES[suite]
    assert [case for case, held in table if not held] == []
