%% Erlang/OTP itself: gen_server, supervisor, ets, gen_statem. The ceiling.
%% Run: erl -noshell +P 2000000 -pa DIRECTORY -run erlang_otp main UNIT
-module(erlang_otp).
-export([main/1, start_link/0, start_kid/1, init/1, handle_call/3, handle_cast/2, handle_info/2,
         callback_mode/0, locked/3, opened/3]).
-define(KEYS, 100000).

-record(s, {count = 0, next, boss, lates = []}).

%% The processes

start_link() -> gen_server:start_link(?MODULE, actor, []).
start_kid(N) -> gen_server:start_link(?MODULE, {kid, N}, []).

init(actor) -> {ok, #s{}};
init({kid, N}) -> ets:insert(kids, {N, self()}), {ok, #s{}};
init(machine) -> {ok, locked, none};
init(dynamic) ->
    Flags = #{strategy => simple_one_for_one, intensity => 1000000, period => 1},
    {ok, {Flags, [#{id => actor, start => {?MODULE, start_link, []}}]}};
init({static, Count}) ->
    Flags = #{strategy => one_for_one, intensity => 1000000, period => 1},
    {ok, {Flags, [#{id => N, start => {?MODULE, start_kid, [N]}} || N <- lists:seq(1, Count)]}}.

handle_call({echo, Value}, _, S) -> {reply, Value, S};
handle_call(count, _, S) -> {reply, S#s.count, S};
handle_call(lates, _, S) -> {reply, S#s.lates, S};
handle_call({follow, Next, Boss}, _, S) -> {reply, ok, S#s{next = Next, boss = Boss}};
handle_call({chain, Depth}, _, #s{next = undefined} = S) -> {reply, Depth, S};
handle_call({chain, Depth}, _, S) -> {reply, gen_server:call(S#s.next, {chain, Depth + 1}), S}.

handle_cast(add, S) -> {noreply, S#s{count = S#s.count + 1}};
handle_cast({token, 0}, S) -> S#s.boss ! arrived, {noreply, S};
handle_cast({token, Hops}, S) -> gen_server:cast(S#s.next, {token, Hops - 1}), {noreply, S};
handle_cast(crash, _) -> exit(crash).

handle_info({due, When}, S) ->
    {noreply, S#s{lates = [erlang:monotonic_time(microsecond) - When | S#s.lates]}};
handle_info(_, S) -> {noreply, S}.

callback_mode() -> state_functions.
locked({call, From}, coin, D) -> {next_state, opened, D, [{reply, From, ok}]}.
opened({call, From}, push, D) -> {next_state, locked, D, [{reply, From, ok}]}.

%% Measuring

main([Unit]) ->
    logger:set_primary_config(level, none),
    process_flag(trap_exit, true),
    unit(Unit),
    halt().

say(Figure, Value) ->
    io:format("{\"figure\": \"~s\", \"value\": ~.4f}~n", [Figure, float(Value)]).

seconds() -> erlang:monotonic_time() / erlang:convert_time_unit(1, second, native).

took(Work) -> Begin = seconds(), Work(), seconds() - Begin.

rate(Work, Count) ->
    case took(fun() -> Work(Count) end) of
        Took when Took >= 0.4 -> Count / Took;
        Took -> rate(Work, trunc(Count * min(10, max(1.5, 0.5 / max(Took, 1.0e-9)))))
    end.

repeat(0, _) -> ok;
repeat(N, Work) -> Work(), repeat(N - 1, Work).

percentile(Values, Part) -> lists:nth(trunc(length(Values) * Part) + 1, lists:sort(Values)).

resident() ->
    {ok, File} = file:open("/proc/self/statm", [read]),
    {ok, Line} = file:read_line(File),
    file:close(File),
    list_to_integer(lists:nth(2, string:lexemes(Line, " "))) * 4096.

actors(Count) ->
    {ok, Supervisor} = supervisor:start_link(?MODULE, dynamic),
    {Supervisor, [element(2, supervisor:start_child(Supervisor, [])) || _ <- lists:seq(1, Count)]}.

row(Count, closed) -> As = row(Count, open), follow(lists:last(As), hd(As)), As;
row(Count, open) ->
    {_, As} = actors(Count),
    lists:foldl(fun(Next, A) -> follow(A, Next), Next end, hd(As), tl(As)),
    As.

follow(A, Next) -> gen_server:call(A, {follow, Next, self()}).

around([First | _], Hops) ->
    gen_server:cast(First, {token, Hops - 1}),
    receive arrived -> ok end.

%% The units

unit("starts-10k") -> starts(10000);
unit("starts-100k") -> starts(100000);
unit("calls") ->
    {_, [A]} = actors(1),
    say("calls a second",
        rate(fun(N) -> repeat(N, fun() -> gen_server:call(A, {echo, 1}) end) end, 1000));
unit("chain") ->
    [A | _] = row(10, open),
    say("hops a second",
        10 * rate(fun(N) -> repeat(N, fun() -> gen_server:call(A, {chain, 1}) end) end, 100));
unit("ring") ->
    As = row(1000, closed),
    say("hops a second", rate(fun(N) -> around(As, 1000 * max(1, N div 1000)) end, 10000));
unit("pingpong") ->
    As = row(2, closed),
    say("round trips a second", rate(fun(N) -> around(As, 2 * N) end, 1000));
unit("casts") ->
    {_, [A]} = actors(1),
    say("casts a second",
        rate(fun(N) -> repeat(N, fun() -> gen_server:cast(A, add) end),
                       gen_server:call(A, count, infinity) end, 1000));
unit("fanout") ->
    {_, As} = actors(1000),
    Work = fun() ->
               repeat(20, fun() -> [gen_server:cast(A, add) || A <- As] end),
               [gen_server:call(A, count) || A <- As]
           end,
    say("casts a second", 20000 * rate(fun(N) -> repeat(N, Work) end, 1));
unit("crash-1") -> crash(2);
unit("crash-100") -> crash(101);
unit("crash-10k") -> crash(10001);
unit("storm") ->
    kids(1000),
    Kids = ets:tab2list(kids),
    say("ms", 1000 * took(fun() ->
        [gen_server:cast(Pid, crash) || {_, Pid} <- Kids],
        [replaced(N, Pid) || {N, Pid} <- Kids]
    end));
unit("table") ->
    T = ets:new(rows, [public, {read_concurrency, true}, {write_concurrency, true}]),
    [begin table(T, Kind, Key, Workers), ets:delete_all_objects(T) end
     || {Kind, Key} <- [{"int", fun(N) -> N end}, {"tuple", fun(N) -> {session, N} end}],
        Workers <- [1, 4]];
unit("timers") ->
    {_, [A]} = actors(1),
    Took = took(fun() ->
        Timers = [erlang:send_after(60000, A, add) || _ <- lists:seq(1, 100000)],
        [erlang:cancel_timer(Timer) || Timer <- Timers]
    end),
    say("set and cancelled a second", 100000 / Took);
unit("firing") ->
    {_, [A]} = actors(1),
    Begin = erlang:monotonic_time(millisecond) + 300,
    [begin
         When = Begin + N div 10,
         erlang:send_after(When, A, {due, When * 1000}, [{abs, true}])
     end || N <- lists:seq(0, 9999)],
    timer:sleep(1600),
    Lates = gen_server:call(A, lates),
    say("late p50 ms", percentile(Lates, 0.5) / 1000),
    say("late p99 ms", percentile(Lates, 0.99) / 1000);
unit("machine") ->
    {ok, M} = gen_statem:start_link(?MODULE, machine, []),
    Work = fun() -> gen_statem:call(M, coin), gen_statem:call(M, push) end,
    say("events a second", rate(fun(N) -> repeat(N div 2, Work) end, 1000)).

starts(Count) ->
    {Alone, _} = starts(Count, fun() ->
        As = [element(2, gen_server:start(?MODULE, actor, [])) || _ <- lists:seq(1, Count)],
        {As, As}
    end, fun(As) ->
        Watches = [begin M = monitor(process, A), exit(A, kill), M end || A <- As],
        [receive {'DOWN', M, _, _, _} -> ok end || M <- Watches]
    end),
    Before = resident(),
    {Both, Started} = starts(Count, fun() -> actors(Count) end, fun(S) -> gen_server:stop(S) end),
    say("started a second", Started),
    say("bytes each", (get(weighed) - Before) / Count),
    say("started and stopped a second", Both),
    say("started and stopped a second, alone", Alone).

starts(Count, Start, Stop) ->
    Begin = seconds(),
    {Handle, As} = Start(),
    gen_server:call(lists:last(As), {echo, 1}),
    Started = seconds() - Begin,
    put(weighed, resident()),
    Stopped = took(fun() -> Stop(Handle) end),
    {Count / (Started + Stopped), Count / Started}.

kids(Count) ->
    ets:new(kids, [public, named_table, {read_concurrency, true}]),
    {ok, _} = supervisor:start_link(?MODULE, {static, Count}).

crash(Count) ->
    kids(Count),
    Times = [begin
                 [{_, Pid}] = ets:lookup(kids, 1),
                 1000 * took(fun() -> gen_server:cast(Pid, crash), replaced(1, Pid) end)
             end || _ <- lists:seq(1, 500)],
    say("p50 ms", percentile(Times, 0.5)),
    say("p99 ms", percentile(Times, 0.99)).

replaced(N, Before) ->
    case ets:lookup(kids, N) of
        [{_, Pid}] when Pid =/= Before -> gen_server:call(Pid, {echo, 1});
        _ -> erlang:yield(), replaced(N, Before)
    end.

table(T, Kind, Key, Workers) ->
    Keys = [Key((N * 7919) rem ?KEYS) || N <- lists:seq(0, ?KEYS - 1)],
    [ets:insert(T, {K, 0}) || K <- Keys],
    Read = fun(K) -> ets:lookup(T, K) end,
    Write = fun(K) -> ets:insert(T, {K, 1}) end,
    [say(io_lib:format("~s of ~s keys a second, ~b at once", [What, Kind, Workers]),
         rate(fun(N) -> together(Workers, N div Workers, Work, Keys) end, 10000))
     || {What, Work} <- [{"reads", Read}, {"writes", Write}]].

together(Workers, Each, Work, Keys) ->
    Ms = [element(2, spawn_monitor(fun() -> go(Each, Work, Keys, Keys) end))
          || _ <- lists:seq(1, Workers)],
    [receive {'DOWN', M, _, _, _} -> ok end || M <- Ms].

go(0, _, _, _) -> ok;
go(N, Work, [], Keys) -> go(N, Work, Keys, Keys);
go(N, Work, [K | Rest], Keys) -> Work(K), go(N - 1, Work, Rest, Keys).
