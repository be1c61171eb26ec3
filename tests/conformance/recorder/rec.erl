%% Runs scenarios on the real Erlang/OTP and writes what was observed, one line of JSON each.
%%
%%   erl -noshell -pa DIR -run rec main supervisor|proc IN OUT
%%
%% IN holds one Erlang map for each scenario (record.py writes it); OUT gets {"id","trace"}.
-module(rec).
-export([main/1, enc/2, value/2, json/1, quiet/2, resting/2]).

-define(AT_ONCE, 60).
-define(LIMIT, 20000).

main([Subject, In, Out]) ->
    logger:set_primary_config(level, none),
    {ok, Scenarios} = file:consult(In),
    Module = list_to_atom("rec_" ++ Subject),
    {ok, File} = file:open(Out, [write, raw]),
    play(Module, Scenarios, 0, File),
    ok = file:close(File),
    halt(0).

play(_, [], 0, _) -> ok;
play(Module, [Scenario | Rest], Running, File) when Running < ?AT_ONCE ->
    spawn_monitor(fun() -> exit({done, maps:get(id, Scenario), limited(Module, Scenario)}) end),
    play(Module, Rest, Running + 1, File);
play(Module, Rest, Running, File) ->
    receive
        {'DOWN', _, _, _, {done, Id, {ok, Trace}}} ->
            ok = file:write(File, [json(#{id => Id, trace => Trace}), $\n]);
        {'DOWN', _, _, _, {done, Id, Else}} ->
            io:format(standard_error, "~p: ~P~n", [Id, Else, 40])
    end,
    play(Module, Rest, Running - 1, File).

%% In a process of its own, so that a scenario that crashes or hangs harms no other.
limited(Module, Scenario) ->
    {Pid, Ref} = spawn_monitor(fun() -> exit({ok, Module:run(Scenario)}) end),
    receive
        {'DOWN', Ref, _, _, Result} -> Result
    after ?LIMIT ->
        exit(Pid, kill),
        hangs
    end.

%% Terms

value(A, _) when is_atom(A); is_integer(A) -> A;
value(#{t := L}, N) -> list_to_tuple([value(X, N) || X <- L]);
value(#{f := F}, _) -> list_to_float(atom_to_list(F));
value(#{b := B}, _) -> atom_to_binary(B);
value(#{m := L}, N) -> maps:from_list([{value(K, N), value(V, N)} || [K, V] <- L]);
value(#{p := P}, N) -> N(P);
value(#{r := R}, N) -> N(R);
value(L, N) when is_list(L) -> [value(X, N) || X <- L].

%% Name: a function from pids and references to their names.
enc(A, _) when A =:= node() -> '$node';
enc(rec_supervisor_tree, _) -> '$mod';
enc(I, _) when is_integer(I) -> I;
enc(A, _) when is_atom(A) -> [B | _] = binary:split(atom_to_binary(A), <<"~">>), B;
enc(F, _) when is_float(F) -> #{f => float_to_binary(F, [short])};
enc(B, _) when is_binary(B) -> #{b => B};
enc(P, Name) when is_pid(P) -> #{p => Name(P)};
enc(R, Name) when is_reference(R) -> #{r => Name(R)};
enc({child, _, Id, _, _, _, _, _, _}, Name) -> #{child => enc(Id, Name)};
enc(T, Name) when is_tuple(T) -> #{t => [enc(X, Name) || X <- tuple_to_list(T)]};
enc([{M, F, _, L} | _], _) when is_atom(M), is_atom(F), is_list(L) -> '$stack';
enc(L, Name) when is_list(L) -> [enc(X, Name) || X <- L];
enc(#{id := Id}, Name) -> #{spec => enc(Id, Name)};
enc(M, Name) when is_map(M) ->
    #{m => [[enc(K, Name), enc(V, Name)] || {K, V} <- lists:sort(maps:to_list(M))]}.

json({switch, true}) -> "true";
json(A) when is_atom(A) -> quoted(atom_to_binary(A));
json(I) when is_integer(I) -> integer_to_binary(I);
json(B) when is_binary(B) -> quoted(B);
json(L) when is_list(L) -> [$[, lists:join($,, [json(X) || X <- L]), $]];
json(M) when is_map(M) ->
    Pairs = [[json(K), $:, json(V)] || {K, V} <- lists:sort(maps:to_list(M))],
    [${, lists:join($,, Pairs), $}].

quoted(B) ->
    Escaped = << <<(case C of $" -> <<"\\\"">>; $\\ -> <<"\\\\">>; _ -> <<C>> end)/binary>> || <<C>> <= B >>,
    [$", Escaped, $"].

%% Quiescence: Pids() all wait in a main loop, with nothing in the mailbox that they would take.
%% Idle is a list of {Module, Function}; what those that are `plain` have in their mailbox stays.
quiet(Pids, Idle) -> quiet(Pids, Idle, 0).

quiet(_, _, 4) -> ok;
quiet(Pids, Idle, Times) ->
    Rest = lists:all(fun(P) -> resting(P, Idle) end, Pids()),
    timer:sleep(1),
    quiet(Pids, Idle, case Rest of true -> Times + 1; false -> 0 end).

resting(Pid, Idle) ->
    case process_info(Pid, [status, message_queue_len, current_function]) of
        undefined -> false;  % Its end has not been seen yet.
        [{_, waiting}, {_, Length}, {_, {M, F, _}}] ->
            case lists:keyfind({M, F}, 1, Idle) of
                {_, plain} -> true;
                {_, empty} -> Length =:= 0;
                false -> false
            end;
        _ -> false
    end.
