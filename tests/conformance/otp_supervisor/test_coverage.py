"""Every case of OTP 25's supervisor_SUITE is a test here, once, and nothing else is."""

import ast
from collections import Counter
from pathlib import Path

CASES = {
    "start": """
        sup_start_normal sup_start_ignore_init sup_start_ignore_child
        sup_start_ignore_temporary_child sup_start_ignore_temporary_child_start_child
        sup_start_ignore_temporary_child_start_child_simple
        sup_start_ignore_permanent_child_start_child_simple sup_start_error_return sup_start_fail
        sup_start_child_returns_error sup_start_restart_child_returns_error
        sup_start_child_returns_error_simple""",
    "specs": "sup_start_map sup_start_map_simple sup_start_map_faulty_specs",
    "stop": """
        sup_stop_infinity sup_stop_timeout sup_stop_timeout_dynamic sup_stop_brutal_kill
        sup_stop_brutal_kill_dynamic sup_stop_race sup_stop_non_shutdown_exit_dynamic""",
    "admin": """
        child_adm child_adm_simple extra_return child_specs child_specs_map sup_flags""",
    "restart_types": """
        permanent_normal transient_normal temporary_normal permanent_shutdown transient_shutdown
        temporary_shutdown faulty_application_shutdown permanent_abnormal transient_abnormal
        temporary_abnormal""",
    "strategies": """
        multiple_restarts one_for_one one_for_one_escalation one_for_all one_for_all_escalation
        one_for_all_other_child_fails_restart simple_one_for_one simple_one_for_one_shutdown
        simple_one_for_one_extra simple_one_for_one_escalation simple_one_for_one_corruption
        rest_for_one rest_for_one_escalation rest_for_one_other_child_fails_restart
        temporary_bystander""",
    "significant": """
        nonsignificant_temporary nonsignificant_transient significant_temporary
        significant_transient significant_simple significant_bystander significant_escalation
        significant_upgrade_never_any significant_upgrade_any_never
        significant_upgrade_never_all significant_upgrade_all_never significant_upgrade_any_all
        significant_upgrade_all_any significant_upgrade_child""",
    "introspection": """
        count_children count_children_supervisor count_restarting_children get_callback_module""",
    "scale": """
        do_not_save_start_parameters_for_temporary_children
        do_not_save_child_specs_for_temporary_children
        simple_one_for_one_scale_many_temporary_children scale_start_stop_many_children""",
    "robustness": """
        child_unlink tree simple_global_supervisor hanging_restart_loop
        hanging_restart_loop_rest_for_one hanging_restart_loop_simple order_of_children""",
    "code_change": "code_change code_change_map code_change_simple code_change_simple_map",
    "reports": "format_log_1 format_log_2",
}


ADAPTED = """
    sup_start_ignore_init sup_start_ignore_child sup_start_ignore_temporary_child
    sup_start_ignore_temporary_child_start_child
    sup_start_ignore_temporary_child_start_child_simple
    sup_start_ignore_permanent_child_start_child_simple sup_start_error_return sup_start_fail
    sup_start_map_simple sup_start_map_faulty_specs sup_stop_timeout sup_stop_timeout_dynamic
    sup_stop_brutal_kill sup_stop_brutal_kill_dynamic child_adm_simple extra_return child_specs
    faulty_application_shutdown simple_one_for_one_extra simple_one_for_one_corruption
    significant_upgrade_never_any significant_upgrade_any_never significant_upgrade_never_all
    significant_upgrade_all_never significant_upgrade_any_all significant_upgrade_all_any
    significant_upgrade_child get_callback_module
    do_not_save_start_parameters_for_temporary_children scale_start_stop_many_children
    child_unlink simple_global_supervisor code_change code_change_map code_change_simple
    code_change_simple_map format_log_1 format_log_2"""


def cases() -> dict[str, list[ast.FunctionDef | ast.AsyncFunctionDef]]:
    """The tests of each file beside this one."""
    here = Path(__file__)
    return {
        path.stem.removeprefix("test_"): [
            node
            for node in ast.parse(path.read_text("utf-8")).body
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            and node.name.startswith("test_")
        ]
        for path in sorted(here.parent.glob("test_*.py"))
        if path != here
    }


def test_what_is_adapted_says_how() -> None:
    says = {
        test.name.removeprefix("test_")
        for tests in cases().values()
        for test in tests
        if (ast.get_docstring(test) or "").startswith("Adapted: ")
    }
    assert says == set(ADAPTED.split())


def test_all_88_cases_are_here_once() -> None:
    found = {
        group: [test.name.removeprefix("test_") for test in tests]
        for group, tests in cases().items()
    }
    assert {group: Counter(tests) for group, tests in found.items()} == {
        group: Counter(cases.split()) for group, cases in CASES.items()
    }
    assert sum(map(len, found.values())) == 88
