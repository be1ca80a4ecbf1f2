"""The public names, module by module: the source of the documentation's table and of the test that imports each.

`OURS` are names that Prefect has too unless they are in `ONLY_OURS`; what is absent on purpose is in `absent`.
Neighbours: `absent`; `names_table` renders the page.
"""

from __future__ import annotations

from penstock.base.absent import ABSENT_MODULES, ABSENT_NAMES
from penstock.base.absent_methods import ABSENT_METHODS


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.replace("\n", " ").split(",") if part.strip())


_TOP = _names(
    "flow, task, Flow, Task, State, Transaction, tags, unmapped, allow_failure, get_run_logger, pause_flow_run, "
    "apause_flow_run, resume_flow_run, aresume_flow_run, suspend_flow_run, asuspend_flow_run, runtime"
)

OURS: dict[str, tuple[str, ...]] = {
    "penstock": (*_TOP, "__version__"),
    "penstock.main": _TOP,
    "penstock.flows": _names(
        "Flow, flow, FlowDecorator, FlowStateHook, P, R, load_flow_from_entrypoint, load_function_and_convert_to_flow, "
        "safe_load_flow_from_entrypoint, select_flow, is_entrypoint_async, BANNED_CHARACTERS"
    ),
    "penstock.tasks": _names(
        "Task, task, TaskOptions, TaskRunNameCallbackWithParameters, StateHookCallable, RetryConditionCallable, P, R, "
        "exponential_backoff, task_input_hash"
    ),
    "penstock.tasks.flow_runs": _names(
        "StartFlowRun, RenameFlowRun, CancelFlowRun, create_flow_run, wait_for_flow_run, get_task_run_result"
    ),
    "penstock.states": _names(
        "Scheduled, Late, AwaitingRetry, AwaitingConcurrencySlot, Pending, Submitting, InfrastructurePending, Running, "
        "Retrying, Completed, Failed, Crashed, Cancelling, Cancelled, Paused, Suspended, State, StateGroup, StateType, "
        "get_state_result, get_state_exception, aget_state_exception, raise_state_exception, araise_state_exception, "
        "exception_to_failed_state, exception_to_crashed_state, return_value_to_state, format_exception, "
        "is_state_iterable, RESULT_READ_MAXIMUM_ATTEMPTS, RESULT_READ_RETRY_DELAY, TERMINAL_STATES"
    ),
    "penstock.futures": _names(
        "PrefectFuture, PrefectConcurrentFuture, PrefectWrappedFuture, PrefectTaskRunFuture, PrefectFutureList, "
        "PrefectFutureIterator, PenstockFuture, PenstockConcurrentFuture, PenstockWrappedFuture, "
        "PenstockTaskRunFuture, PenstockFutureList, PenstockFutureIterator, DoneAndNotDoneFutures, wait, "
        "as_completed, resolve_futures_to_states, resolve_futures_to_results"
    ),
    "penstock.task_runners": _names(
        "TaskRunner, ThreadPoolTaskRunner, ConcurrentTaskRunner, ProcessPoolTaskRunner, Call, RemoteCall, Far, perform, "
        "LostElsewhereError, MismatchError"
    ),
    "penstock.cache_policies": _names(
        "CachePolicy, Inputs, TaskSource, FlowParameters, RunId, CompoundCachePolicy, CacheKeyFnPolicy, INPUTS, "
        "TASK_SOURCE, FLOW_PARAMETERS, RUN_ID, DEFAULT, NO_CACHE, NONE"
    ),
    "penstock.transactions": _names(
        "transaction, atransaction, get_transaction, Transaction, AsyncTransaction, BaseTransaction, CommitMode, "
        "IsolationLevel, TransactionState"
    ),
    "penstock.results": _names(
        "ResultStore, ResultRecord, ResultRecordMetadata, get_result_store, should_persist_result, "
        "get_default_result_storage, aget_default_result_storage, get_default_result_serializer, "
        "get_default_persist_setting, get_default_persist_setting_for_tasks, resolve_result_storage, "
        "aresolve_result_storage, resolve_serializer"
    ),
    "penstock.serializers": _names(
        "Serializer, PickleSerializer, JSONSerializer, CompressedSerializer, CompressedPickleSerializer, "
        "CompressedJSONSerializer, prefect_json_object_encoder, prefect_json_object_decoder, "
        "penstock_json_object_encoder, penstock_json_object_decoder"
    ),
    "penstock.filesystems": _names(
        "LocalFileSystem, RemoteFileSystem, NullFileSystem, ReadableFileSystem, WritableFileSystem"
    ),
    "penstock.schedules": _names("Cron, Interval, Schedule"),
    "penstock.locking.memory": ("MemoryLockManager",),
    "penstock.locking.filesystem": ("FileSystemLockManager",),
    "penstock.locking.protocol": ("LockManager",),
    "penstock.exceptions": _names(
        "PrefectException, PenstockException, PrefectSignal, PenstockSignal, Abort, Pause, ExternalSignal, "
        "TerminationSignal, FailedRun, CrashedRun, CancelledRun, PausedRun, UnfinishedRun, MissingResult, "
        "MissingFlowError, MissingContextError, UnspecifiedFlowError, UpstreamTaskError, ParameterBindError, "
        "ParameterTypeError, SignatureMismatchError, ReservedArgumentError, InvalidNameError, MappingLengthMismatch, "
        "MappingMissingIterable, FlowPauseTimeout, FlowRunWaitTimeout, NotPausedError, ObjectNotFound, "
        "ObjectAlreadyExists, ConfigurationError, SerializationError, HashError, ScriptError, InfrastructureError, "
        "exception_traceback, InvalidTransition, NotJsonError, TooLargeError, ClusterError, NotAllowedError, "
        "BadRequestError"
    ),
    "penstock.context": _names(
        "ContextModel, RunContext, EngineContext, FlowRunContext, TaskRunContext, TagsContext, SettingsContext, "
        "get_run_context, get_settings_context, tags, serialize_context, hydrated_context, with_context"
    ),
    "penstock.runtime": _names("flow_run, task_run, deployment"),
    "penstock.logging": _names("get_run_logger, get_logger, disable_run_logger, LogEavesdropper"),
    "penstock.logging.loggers": _names(
        "get_run_logger, get_logger, disable_logger, disable_run_logger, flow_run_logger, task_run_logger, "
        "patch_print, print_as_log, LogEavesdropper, PrefectLogAdapter, PenstockLogAdapter"
    ),
    "penstock.logging.handlers": _names("PrefectConsoleHandler, PenstockConsoleHandler"),
    "penstock.logging.configuration": _names("setup_logging, ensure_logging_setup"),
    "penstock.utilities.annotations": _names(
        "unmapped, allow_failure, quote, Quote, opaque, freeze, NotSet, BaseAnnotation"
    ),
    "penstock.utilities.asyncutils": _names(
        "run_coro_as_sync, is_async_fn, is_async_gen_fn, sync_compatible, run_sync_in_worker_thread, gather"
    ),
    "penstock.utilities.timeout": _names("timeout, timeout_async"),
    "penstock.utilities.collections": _names(
        "visit_collection, isiterable, AutoEnum, StopVisiting, extract_instances, batched_iterable, dict_to_flatdict, "
        "flatdict_to_dict, remove_nested_keys, get_from_dict, set_in_dict, deep_merge, deep_merge_dicts, distinct, "
        "listrepr, ensure_iterable"
    ),
    "penstock.utilities.callables": _names(
        "get_call_parameters, call_with_parameters, parameters_to_args_kwargs, ParameterSchema, parameter_schema, "
        "parameter_schema_from_entrypoint, parameter_docstrings, get_parameter_defaults, raise_for_reserved_arguments"
    ),
    "penstock.utilities.filesystem": _names(
        "tmpchdir, filename, is_local_path, to_display_path, relative_path_to_current_platform"
    ),
    "penstock.utilities.hashing": _names("stable_hash, hash_objects, file_hash"),
    "penstock.utilities.importtools": _names(
        "to_qualified_name, from_qualified_name, import_object, lazy_import, load_module, load_script_as_module"
    ),
    "penstock.utilities.names": _names("generate_slug, obfuscate, obfuscate_string"),
    "penstock.utilities.text": _names("truncated_to, fuzzy_match_string"),
    "penstock.flow_engine": _names(
        "BaseFlowRunEngine, FlowRunEngine, AsyncFlowRunEngine, FlowRunTimeoutError, load_flow_run, load_flow, "
        "load_flow_and_flow_run, send_heartbeats_sync, send_heartbeats_async, run_flow, run_flow_sync, "
        "run_flow_async, run_generator_flow_sync, run_generator_flow_async, run_flow_in_subprocess, "
        "request_cancellation, shield"
    ),
    "penstock.task_engine": _names(
        "BaseTaskRunEngine, SyncTaskRunEngine, AsyncTaskRunEngine, TaskRunTimeoutError, run_task, run_task_sync, "
        "run_task_async, run_generator_task_sync, run_generator_task_async"
    ),
    "penstock.flow_runs": _names(
        "pause_flow_run, apause_flow_run, resume_flow_run, aresume_flow_run, suspend_flow_run, asuspend_flow_run, "
        "wait_for_flow_run, await_for_flow_run, create_flow_run, acreate_flow_run, run_flow_run, arun_flow_run, "
        "run_deployment, arun_deployment, read_flow_run, aread_flow_run, list_flow_runs, alist_flow_runs, "
        "cancel_flow_run, acancel_flow_run, rename_flow_run, arename_flow_run, get_result, aget_result, "
        "get_task_result, aget_task_result, FlowRunView, ClusterError, NotAllowedError, BadRequestError, NotJsonError, "
        "TooLargeError"
    ),
    "penstock.deployments": _names("run_deployment, arun_deployment"),
    "penstock.deployments.flow_runs": _names("run_deployment, arun_deployment"),
    "penstock.input": _names(
        "RunInput, RunInputMetadata, Keyset, keyset_from_base_key, keyset_from_paused_state, receive_input, send_input, "
        "asend_input"
    ),
    "penstock.input.run_input": _names(
        "RunInput, AutomaticRunInput, RunInputMetadata, Keyset, keyset_from_base_key, keyset_from_paused_state, "
        "receive_input, send_input, asend_input, run_input_subclass_from_type"
    ),
    "penstock.client.schemas.objects": _names(
        "State, StateType, StateDetails, FlowRun, TaskRun, FlowRunPolicy, TaskRunPolicy, TaskRunResult, TERMINAL_STATES"
    ),
    "penstock.settings": _names(
        "get_current_settings, temporary_settings, PENSTOCK_HOME, PENSTOCK_RESULTS_STORAGE, PENSTOCK_LOGGING_LEVEL"
    ),
    "penstock.testing.utilities": _names(
        "prefect_test_harness, penstock_test_harness, assert_does_not_warn, exceptions_equal"
    ),
    "penstock.observers": _names("subscribe, subscribe_heartbeat"),
}

ONLY_OURS = frozenset(
    _names(
        "TERMINAL_STATES, PrefectFutureIterator, PenstockFutureIterator, Call, RemoteCall, Far, perform, LostElsewhereError, "
        "MismatchError, InvalidTransition, request_cancellation, "
        "shield, subscribe, subscribe_heartbeat, create_flow_run, acreate_flow_run, run_flow_run, arun_flow_run, "
        "read_flow_run, aread_flow_run, list_flow_runs, alist_flow_runs, cancel_flow_run, acancel_flow_run, "
        "rename_flow_run, arename_flow_run, get_result, aget_result, get_task_result, aget_task_result, FlowRunView, "
        "ClusterError, NotAllowedError, BadRequestError, NotJsonError, TooLargeError, await_for_flow_run"
    )
)


def names_table() -> str:
    """The page of the documentation: every name, and for each absent one what to use instead."""
    lines = [
        "# Names",
        "",
        "Names are those of Prefect, under `penstock`; *ours* marks those that only Penstock has.",
        "",
    ]
    for module, names in OURS.items():
        lines.append(f"## `{module}`")
        lines.append("")
        lines.append(", ".join(f"`{name}`" + (" *(ours)*" if name in ONLY_OURS else "") for name in names))
        lines.append("")
    lines += ["## Absent on purpose", "", "| name | instead |", "|---|---|"]
    lines += [f"| module `penstock.{name}` | {instead} |" for name, instead in ABSENT_MODULES.items()]
    for module, absent in ABSENT_NAMES.items():
        lines += [f"| `{module}.{name}` | {instead} |" for name, instead in absent.items()]
    for kind, methods in ABSENT_METHODS.items():
        lines += [f"| `{kind}.{name}` | {instead} |" for name, instead in methods.items()]
    return "\n".join(lines) + "\n"
