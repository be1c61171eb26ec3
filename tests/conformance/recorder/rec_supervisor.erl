%% Plays a scenario of supervisor.jsonl on OTP's supervisor.
-module(rec_supervisor).
-export([run/1, enter/4, leave/4]).

%% What processes say; both wait until it is noted, so that what they do next comes after it.
enter(C, Path, Outcomes, Kind) -> ask(C, {enter, Path, Outcomes, Kind, self()}).
leave(C, Path, N, Reason) -> ask(C, {leave, Path, N, Reason}).

ask(C, Request) ->
    Ref = monitor(process, C),
    C ! {Ref, self(), Request},
    receive
        {Ref, Answer} -> demonitor(Ref, [flush]), Answer;
        {'DOWN', Ref, _, _, _} -> exit(recorder_gone)
    end.

run(#{sup := Tree, actions := Actions}) ->
    Me = self(),
    C = spawn_link(fun() -> note(#{starts => #{}, events => [], alive => #{}, latest => #{},
                                   names => #{}, during => none}) end),
    Parent = spawn(fun() -> process_flag(trap_exit, true), parent() end),
    ask(C, {trace, Parent}),
    Ref = make_ref(),
    Parent ! {start, C, Tree, Me, Ref},
    Result = receive {Ref, R} -> R end,
    {First, St} = observe(C, Result, none),
    {Trace, _} = lists:mapfoldl(
        fun(Action, Last) -> observe(C, act(C, Parent, Action), Last) end, St, Actions),
    [exit(Pid, kill) || Pid <- [Parent | ask(C, alive)]],
    [First | Trace].

%% A process that starts the top, and ends when it is told to.
parent() ->
    receive
        {start, C, Tree, To, Ref} ->
            To ! {Ref, catch rec_supervisor_tree:start_tree(C, top, Tree)},
            parent();
        {exit, Reason} -> exit(Reason);
        {'EXIT', _, _} -> parent()
    end.

%% What is seen after an action.
observe(C, Result, Last) ->
    rec:quiet(fun() -> ask(C, alive) end,
              [{{gen_server, loop}, empty}, {{?MODULE, parent}, empty}]),
    {Events, Names, Latest} = ask(C, news),
    Name = fun(P) -> maps:get(P, Names) end,
    R = case Result of
            {later, Ref} -> receive {Ref, It} -> It after 5000 -> exit(no_answer) end;
            _ -> Result
        end,
    St = maps:from_list([{Path, state(Pid, Names)} || {Path, {Pid, tree}} <- maps:to_list(Latest),
                                                     is_process_alive(Pid)]),
    Encoded = [[W, P, N, case W of start -> X; _ -> rec:enc(X, Name) end] || [W, P, N, X] <- Events],
    Step = #{r => rec:enc(R, Name), ev => Encoded},
    {case St of Last -> Step; _ -> Step#{st => St} end, St}.

state(Pid, Names) ->
    W = [[rec:enc(Id, none), running(Id, P, Names), Type]
         || {Id, P, Type, _} <- supervisor:which_children(Pid)],
    Counts = supervisor:count_children(Pid),
    %% Of simple_one_for_one the order is that of a map: it says nothing.
    Lines = case W of [[undefined | _] | _] -> lists:sort(W); _ -> W end,
    #{w => Lines, c => [proplists:get_value(K, Counts) || K <- [specs, active, supervisors, workers]]}.

running(_, P, _) when is_atom(P) -> P;
running(Id, P, Names) ->
    [Path, N] = binary:split(maps:get(P, Names), <<"#">>),
    case Id of
        undefined -> [Path, binary_to_integer(N)];
        _ -> binary_to_integer(N)
    end.

%% Actions
act(_, Parent, #{op := parent_exit, reason := R}) ->
    case value(R) of
        kill -> exit(Parent, kill);
        Reason -> Parent ! {exit, Reason}
    end,
    ok;
act(C, _, #{op := exit, path := Path, how := How} = Action) ->
    case ask(C, {latest, Path}) of
        {Pid, Kind} ->
            case is_process_alive(Pid) of
                true -> finish(Pid, Kind, How, value(maps:get(reason, Action, none))), ok;
                false -> noproc
            end;
        none -> noproc
    end;
act(C, Parent, #{op := during, 'exit' := #{path := Path} = Exit, call := Call}) ->
    Ref = make_ref(),
    ask(C, {during, Path, {self(), Ref, Call}}),
    act(C, Parent, Exit),
    {later, Ref};
act(C, _, #{sup := Path} = Action) ->
    case ask(C, {latest, Path}) of
        {Sup, _} -> call(C, Sup, Action);
        none -> noproc
    end.

finish(Pid, _, kill, _) -> exit(Pid, kill);
finish(Pid, _, signal, R) -> elsewhere(fun() -> exit(Pid, R) end);
finish(Pid, tree, stop, R) -> elsewhere(fun() -> catch gen_server:stop(Pid, R, infinity) end);
finish(Pid, _, How, R) -> gen_server:cast(Pid, {How, R}).

%% In a process that is neither parent nor linked.
elsewhere(Fun) ->
    {_, Ref} = spawn_monitor(Fun),
    receive {'DOWN', Ref, _, _, _} -> ok end.

call(C, Sup, Action) ->
    try do_call(C, Sup, Action)
    catch exit:{noproc, _} -> noproc;
          exit:{R, {gen_server, call, _}} when R =:= normal; R =:= shutdown -> noproc
    end.

do_call(C, Sup, #{op := start_child, sup := Path, child := Child}) ->
    supervisor:start_child(Sup, rec_supervisor_tree:spec(C, Path, Child));
do_call(_, Sup, #{op := start_child, name := Name, w := W}) ->
    supervisor:start_child(Sup, [Name, W]);
do_call(C, Sup, #{op := terminate_child, pid := Path}) ->
    {Pid, _} = ask(C, {last, Path}),
    supervisor:terminate_child(Sup, Pid);
do_call(_, Sup, #{op := get_childspec, id := Id}) ->
    case supervisor:get_childspec(Sup, value(Id)) of
        {ok, Spec} ->
            {ok, [{K, maps:get(K, Spec)} || K <- [id, restart, shutdown, significant, type]]};
        Else -> Else
    end;
do_call(_, Sup, #{op := which_children}) ->
    [{Id, P, Type} || {Id, P, Type, _} <- supervisor:which_children(Sup)];
do_call(_, Sup, #{op := count_children}) -> supervisor:count_children(Sup);
do_call(_, Sup, #{op := Op, id := Id}) -> supervisor:Op(Sup, value(Id)).

value(V) -> rec:value(V, fun(P) -> P end).

%% The collector: notes what processes say, and traces their ends.
note(S) ->
    receive
        {trace, Pid, exit, Reason} ->
            #{alive := Alive, events := Events} = S,
            case Alive of
                #{Pid := {Path, N}} ->
                    note(S#{alive := maps:remove(Pid, Alive),
                            events := [[exit, Path, N, Reason] | Events]});
                _ -> note(S)
            end;
        {Ref, From, Request} ->
            {Answer, S1} = handle(Request, S),
            From ! {Ref, Answer},
            note(S1);
        _ -> note(S)
    end.

handle({trace, Pid}, S) ->
    {erlang:trace(Pid, true, [procs, set_on_spawn]), S};
handle({enter, Path, Outcomes, Kind, Pid}, S) ->
    #{starts := Starts, events := Events, alive := Alive, latest := Latest, names := Names} = S,
    N = maps:get(Path, Starts, 0) + 1,
    Outcome = case Outcomes of
                  L when is_list(L), N =< length(L) -> lists:nth(N, L);
                  L when is_list(L) -> ok;
                  _ -> Outcomes
              end,
    S1 = S#{starts := Starts#{Path => N}, events := [[start, Path, N, Outcome] | Events]},
    S2 = case Kind of
             none -> S1;
             _ -> S1#{names := Names#{Pid => iolist_to_binary([atom_to_list(Path), $#, integer_to_list(N)])}}
         end,
    S3 = case Kind =/= none andalso lives(Outcome) of
             true -> S2#{alive := Alive#{Pid => {Path, N}}, latest := Latest#{Path => {Pid, Kind}}};
             false -> S2
         end,
    {{N, Outcome}, interrupt(Path, S3)};
handle({leave, Path, N, Reason}, #{events := Events} = S) ->
    {ok, S#{events := [[terminate, Path, N, Reason] | Events]}};
handle({during, Path, Call}, S) -> {ok, S#{during := {Path, Call}}};
handle({latest, Path}, #{latest := Latest} = S) -> {maps:get(Path, Latest, none), S};
handle({last, Path}, #{latest := Latest} = S) -> {maps:get(Path, Latest), S};
handle(alive, #{alive := Alive} = S) -> {maps:keys(Alive), S};
handle(news, #{events := Events, names := Names, latest := Latest} = S) ->
    {{lists:reverse(Events), Names, Latest}, S#{events := []}}.

lives(ok) -> true;
lives(#{slow := _, then := Then}) -> lives(Then);
lives(_) -> false.

interrupt(Path, #{during := {Path, {To, Ref, #{sup := Sup} = Call}}, latest := Latest} = S) ->
    C = self(),
    {Pid, _} = maps:get(Sup, Latest),
    spawn(fun() -> To ! {Ref, call(C, Pid, Call)} end),
    S#{during := none};
interrupt(_, S) -> S.
