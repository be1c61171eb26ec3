%% Runs state machine scenarios on the real `gen_statem`, many at a time, and says what they did.
%%
%%     erl -noshell -run statem_recorder main SCENARIOS.jsonl > TRACES.jsonl
%%
%% A scenario is a line of statem.jsonl; a "trace" that it has is ignored. Each line written is
%% {"id": ..., "trace": [...]}. A scenario is left out if it has no end, if one of its timers would
%% have expired within 30 ms of another or of a step, or if a call was made while the machine died:
%% what it does then is a matter of luck.
-module(statem_recorder).
-export([main/1]).

%% How many at a time; what is too close, and too late, in milliseconds; how often it is tried.
-define(AT_A_TIME, 60).
-define(CLOSE, 30).
-define(LATE, 25).
-define(ATTEMPTS, 3).

main(Files) ->
    ok = io:setopts([{encoding, unicode}]),
    logger:set_primary_config(level, none),
    run([Line || File <- Files, Line <- lines(File)], 0),
    halt().

lines(File) ->
    {ok, Text} = file:read_file(File),
    [Line || Line <- binary:split(Text, <<"\n">>, [global]), Line =/= <<>>].

run([], 0) -> ok;
run([Line | Lines], Running) when Running < ?AT_A_TIME ->
    spawn_monitor(fun() -> record(trace_json:decode(Line)) end),
    run(Lines, Running + 1);
run(Lines, Running) ->
    receive
        {'DOWN', _, _, _, {recorded, Text}} -> io:put_chars(Text);
        {'DOWN', _, _, _, left_out} -> ok;
        {'DOWN', _, _, _, Reason} -> io:format(standard_error, "~p~n", [Reason])
    end,
    run(Lines, Running - 1).

record(Scenario) -> record(Scenario, ?ATTEMPTS).

record(_, 0) -> exit(left_out);
record(#{<<"id">> := Id, <<"steps">> := Steps} = Scenario, Attempts) ->
    put(is_late, false),
    put(timers, []),
    put(moments, []),
    put(calls, #{}),
    put(alive, true),
    put(now, now_ms()),
    {ok, {Machine, _}} = gen_statem:start_monitor(statem_machine, {Scenario, self()}, []),
    First = after_step(ok, Machine),
    Trace = [First | [step(Step, Machine) || Step <- Steps]],
    exit(Machine, kill),
    case {get(is_late), is_a_matter_of_luck(Trace)} of
        {true, _} ->
            flush(),
            record(Scenario, Attempts - 1);
        {false, true} -> exit(left_out);
        {false, false} -> exit({recorded, [trace_json:encode({obj, [{id, Id}, {trace, Trace}]}), $\n]})
    end.

flush() -> receive _ -> flush() after 20 -> ok end.

now_ms() -> erlang:monotonic_time(millisecond).

%% Steps take no time; a sleep ends when it would if they did not.
step(#{<<"op">> := <<"sleep">>, <<"ms">> := Ms}, Machine) ->
    put(now, get(now) + Ms),
    timer:sleep(max(0, get(now) - now_ms())),
    after_step(ok, Machine);
step(Step, Machine) ->
    case get(alive) of
        false -> {obj, [{r, noproc}, {ev, []}]};
        true ->
            perform(Step, Machine),
            after_step(ok, Machine)
    end.

perform(#{<<"op">> := <<"batch">>, <<"ops">> := Ops}, Machine) ->
    [perform(Op, Machine) || Op <- Ops];
perform(#{<<"op">> := <<"cast">>, <<"c">> := Content}, Machine) ->
    gen_statem:cast(Machine, term(Content));
perform(#{<<"op">> := <<"info">>, <<"c">> := Content}, Machine) ->
    Machine ! term(Content);
perform(#{<<"op">> := <<"call">>, <<"id">> := Id, <<"c">> := Content}, Machine) ->
    Request = gen_statem:send_request(Machine, {Id, term(Content)}),
    put(calls, (get(calls))#{Id => Request});
perform(#{<<"op">> := <<"stop">>, <<"reason">> := Reason}, Machine) ->
    catch gen_statem:stop(Machine, term(Reason), infinity).

after_step(Result, Machine) ->
    put(moments, [get(now) | get(moments)]),
    settle(Machine, 0),
    now_ms() > get(now) + ?LATE andalso put(is_late, true),
    {Events, Replies, Lost} = collect(Machine, [], [], []),
    {obj, [{r, Result}, {ev, Events}] ++ [{rep, Replies} || Replies =/= []] ++
          [{lost, {obj, lists:sort(Lost)}} || Lost =/= []]}.

%% Wait until the machine has nothing to do, or is gone.
settle(_, 3) -> ok;
settle(Machine, Quiet) ->
    case process_info(Machine, [status, message_queue_len, current_function]) of
        undefined -> receive after 5 -> settle(Machine, Quiet + 1) end; % for its 'DOWN' to come
        [{status, waiting}, {message_queue_len, 0}, {_, {Module, _, _}}]
          when Module =:= gen_statem; Module =:= erlang ->
            erlang:yield(),
            settle(Machine, Quiet + 1);
        _ ->
            erlang:yield(),
            settle(Machine, 0)
    end.

collect(Machine, Events, Replies, Lost) ->
    receive
        {Machine, {event, Event}} -> collect(Machine, [Event | Events], Replies, Lost);
        {Machine, {timer, At}} ->
            put(timers, [At | get(timers)]),
            collect(Machine, Events, Replies, Lost);
        {'DOWN', _, process, Machine, Reason} = Message ->
            case answer(Message) of
                none when Reason =:= endless -> exit(left_out);
                none ->
                    put(alive, false),
                    collect(Machine, Events ++ [[exit, json(Reason)]], Replies, Lost);
                {Id, {error, _}} -> collect(Machine, Events, Replies, [{Id, json(Reason)} | Lost])
            end;
        Message ->
            case answer(Message) of
                none -> collect(Machine, Events, Replies, Lost); % a second reply
                {Id, {reply, Value}} -> collect(Machine, Events, [[Id, json(Value)] | Replies], Lost)
            end
    after 0 ->
        {in_order(Events), lists:reverse(Replies), Lost}
    end.

%% The exit, if there is one, comes last: everything of the machine's was sent before.
in_order(Events) ->
    {Exit, Others} = lists:partition(fun([Word | _]) -> Word =:= exit end, Events),
    lists:reverse(Others) ++ Exit.

answer(Message) ->
    Found = [{Id, Answer} || {Id, Request} <- maps:to_list(get(calls)),
                             (Answer = gen_statem:check_response(Message, Request)) =/= no_reply],
    case Found of
        [{Id, _} = Each] ->
            put(calls, maps:remove(Id, get(calls))),
            Each;
        [] -> none
    end.

is_a_matter_of_luck(Trace) ->
    Timers = lists:sort(get(timers)),
    Moments = get(moments),
    are_close(Timers)
        orelse lists:any(fun(T) -> lists:any(fun(M) -> abs(T - M) < ?CLOSE end, Moments) end, Timers)
        orelse lists:any(fun({obj, Step}) ->
                             {obj, Lost} = proplists:get_value(lost, Step, {obj, []}),
                             lists:any(fun({_, Why}) -> Why =:= <<"noproc">> end, Lost)
                         end, Trace).

are_close([One, Other | _]) when Other - One < ?CLOSE -> true;
are_close([_ | Rest]) -> are_close(Rest);
are_close([]) -> false.

term(Json) -> trace_json:term(Json, fun(_, Name) -> error({no_such_name, Name}) end).

%% An exit reason, or a reply; what an uncaught error leaves has a stack trace in it.
json({Reason, [{_, _, _, _} | _]}) -> json({Reason, '$stack'});
json({{bad_state_enter_return_from_state_function = Word, Return}, '$stack'})
  when element(3, Return) =/= '$data' ->
    json({{Word, setelement(3, Return, '$data')}, '$stack'});
json(Term) -> trace_json:json(Term, fun(_) -> <<"?">> end).
