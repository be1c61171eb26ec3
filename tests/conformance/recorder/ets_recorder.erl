%% Runs table scenarios on the real `ets`, and says what came of each operation.
%%
%%     erl -noshell -run ets_recorder main SCENARIOS.jsonl > TRACES.jsonl
%%
%% A scenario is a line of ets.jsonl; a "trace" that it has is ignored. Each line written is
%% {"id": ..., "trace": [...]}.
-module(ets_recorder).
-export([main/1]).

main(Files) ->
    ok = io:setopts([{encoding, unicode}]),
    [record(Line) || File <- Files, Line <- lines(File)],
    halt().

lines(File) ->
    {ok, Text} = file:read_file(File),
    [Line || Line <- binary:split(Text, <<"\n">>, [global]), Line =/= <<>>].

record(Line) ->
    Scenario = trace_json:decode(Line),
    #{<<"id">> := Id, <<"procs">> := Names, <<"ops">> := Ops} = Scenario,
    Procs = maps:from_list([{Name, spawn(fun owner/0)} || Name <- Names]),
    put(names, maps:from_list([{Pid, Name} || {Name, Pid} <- maps:to_list(Procs)])),
    {Trace, _} = lists:mapfoldl(fun(Op, Tables) -> perform(Op, Procs, Tables) end, #{}, Ops),
    [end_of(Pid) || Pid <- maps:values(Procs)],
    io:put_chars([trace_json:encode({obj, [{id, Id}, {trace, Trace}]}), $\n]).

owner() ->
    receive
        {do, From, Fun} ->
            Result = try {v, Fun()} catch error:Reason -> {err, Reason} end,
            From ! {done, self(), Result},
            owner()
    end.

end_of(Pid) ->
    Monitor = monitor(process, Pid),
    exit(Pid, kill),
    receive {'DOWN', Monitor, _, _, _} -> ok end.

%% Tables maps the name of each `new` to the table identifier or atom that it has returned.

perform(#{<<"op">> := Op, <<"by">> := By} = Step, Procs, Tables) ->
    Pid = maps:get(By, Procs),
    case is_process_alive(Pid) of
        false -> {{obj, [{v, noproc}]}, Tables};
        true -> perform(Op, Step, Pid, Procs, Tables)
    end.

perform(<<"exit">>, _, Pid, _, Tables) ->
    end_of(Pid),
    {{obj, [{v, ok}]}, Tables};
perform(Op, Step, Pid, Procs, Tables) ->
    Named = fun(pid, Name) -> maps:get(Name, Procs);
               (ref, Name) -> maps:get(Name, Tables) end,
    Table = table(Step, Tables),
    Unordered = is_unordered(Op, Table),
    Pid ! {do, self(), work(Op, Step, Table, Named)},
    Result = receive {done, Pid, Answer} -> Answer end,
    Tables1 = case {Op, Result} of
                  {<<"new">>, {v, Made}} -> made(Made, maps:get(<<"name">>, Step), Tables);
                  _ -> Tables
              end,
    {answer(Result, Unordered), Tables1}.

%% A named table is an atom in messages, and a reference to `whereis`.
made(Table, Name, Tables) ->
    Ref = case is_atom(Table) of true -> ets:whereis(Table); false -> Table end,
    put(names, (get(names))#{Ref => Name}),
    Tables#{Name => Table}.

table(#{<<"tab">> := Name}, Tables) -> maps:get(Name, Tables, binary_to_atom(Name));
table(_, _) -> none.

%% What lists of it are in no order that OTP promises: all but lookups, except in an ordered set.
is_unordered(<<"mbox">>, _) -> true;
is_unordered(<<"lookup">>, _) -> false;
is_unordered(<<"update_counter">>, _) -> false;
is_unordered(_, none) -> false;
is_unordered(_, Table) ->
    lists:member(ets:info(Table, type), [set, bag, duplicate_bag]).

work(<<"new">>, #{<<"name">> := Name, <<"opts">> := Opts}, _, Named) ->
    Options = trace_json:term(Opts, Named),
    fun() -> ets:new(binary_to_atom(Name), Options) end;
work(<<"mbox">>, _, _, _) -> fun messages/0;
work(<<"drop">>, _, Table, _) -> fun() -> ets:delete(Table) end;
work(<<"rename">>, #{<<"to">> := To}, Table, _) ->
    fun() -> ets:rename(Table, binary_to_atom(To)), ok end;
work(<<"whereis">>, #{<<"tab">> := Name}, _, _) ->
    fun() -> ets:whereis(binary_to_atom(Name)) end;
work(<<"foldl">>, _, Table, _) -> fun() -> ets:foldl(fun collect/2, [], Table) end;
work(<<"foldr">>, _, Table, _) -> fun() -> ets:foldr(fun collect/2, [], Table) end;
work(<<"select_chunks">>, #{<<"a">> := Args}, Table, Named) ->
    [Spec, Limit] = trace_json:term(Args, Named),
    fun() -> chunks(ets:select(Table, Spec, Limit)) end;
work(Op, Step, Table, Named) ->
    Args = [Table | trace_json:term(maps:get(<<"a">>, Step, []), Named)],
    fun() -> apply(ets, binary_to_atom(Op), Args) end.

collect(Row, Rows) -> [Row | Rows].

chunks('$end_of_table') -> [];
chunks({Found, More}) -> [Found | chunks(ets:select(More))].

messages() ->
    receive
        Message when element(1, Message) =:= 'ETS-TRANSFER' -> [Message | messages()]
    after 0 -> []
    end.

answer({err, Reason}, _) -> {obj, [{err, Reason}]};
answer({v, Value}, Unordered) ->
    case trace_json:json(Value, fun(Each) -> maps:get(Each, get(names)) end) of
        [_, _ | _] = Items when Unordered -> {obj, [{v, sorted(Items)}, {u, 1}]};
        Json -> {obj, [{v, Json}]}
    end.

%% By their text, as the traces have it.
sorted(Items) ->
    [Item || {_, Item} <- lists:keysort(1, [{iolist_to_binary(trace_json:encode(Item)), Item}
                                            || Item <- Items])].
