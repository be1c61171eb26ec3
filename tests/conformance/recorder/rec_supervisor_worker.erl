%% A worker of a scenario of supervisor.jsonl.
-module(rec_supervisor_worker).
-behaviour(gen_server).
-export([start/3, start_from_template/4, outcome/2]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, terminate/2]).

start(C, Path, #{ret := Term}) ->
    rec_supervisor:enter(C, Path, #{ret => Term}, none),
    term(Term);
start(C, Path, #{info := Info} = Knobs) ->
    case gen_server:start_link(?MODULE, {C, Path, Knobs}, []) of
        {ok, Pid} -> {ok, Pid, term(Info)};
        Else -> Else
    end;
start(C, Path, Knobs) -> gen_server:start_link(?MODULE, {C, Path, Knobs}, []).

start_from_template(C, Above, Name, Knobs) ->
    start(C, list_to_atom(lists:concat([Above, "/", Name])), Knobs).

init({C, Path, Knobs}) ->
    process_flag(trap_exit, maps:get(trap, Knobs, false)),
    {N, Outcome} = rec_supervisor:enter(C, Path, maps:get(init, Knobs, []), worker),
    outcome(Outcome, {ok, {C, Path, N, Knobs}}).

outcome(ok, Ok) -> Ok;
outcome(ignore, _) -> ignore;
outcome(#{stop := R}, _) -> {stop, term(R)};
outcome(#{raise := R}, _) -> error(term(R));
outcome(#{exit := R}, _) -> exit(term(R));
outcome(#{return := T}, _) -> {return, T};
outcome(#{slow := Ms, then := Then}, Ok) -> timer:sleep(Ms), outcome(Then, Ok).

handle_call(_, _, S) -> {reply, ok, S}.
handle_cast({stop, R}, S) -> {stop, R, S};
handle_cast({raise, R}, _) -> error(R).
handle_info(_, S) -> {noreply, S}.

terminate(Reason, {C, Path, N, Knobs}) ->
    rec_supervisor:leave(C, Path, N, Reason),
    timer:sleep(maps:get(term_ms, Knobs, 0)),
    case Knobs of
        #{term_exit := R} -> exit(term(R));
        _ -> ok
    end.

term(V) -> rec:value(V, fun(P) -> P end).
