%% Plays a scenario of proc.jsonl: plain processes and servers, told one by one what to do.
-module(rec_proc).
-export([run/1, live/3, tell/2]).

run(#{id := Id, procs := Procs, steps := Given}) ->
    Player = self(),
    Steps = own_names(Given, Id),
    S0 = #{named => #{}, names => #{}, plain => #{}, alive => #{}, exits => [], gs => [], term => []},
    S1 = lists:foldl(
        fun(P, S) ->
            Pid = spawn(fun() -> live(P, Player, false) end),
            erlang:trace(Pid, true, [procs, set_on_spawn]),
            born(P, S)
        end, S0, Procs),
    {Trace, S2} = lists:mapfoldl(fun step/2, S1, Steps),
    [exit(Pid, kill) || Pid <- maps:keys(maps:get(alive, S2))],
    Trace.

%% Registered names are the node's: each scenario has names of its own, written `name~id`.
own_names(#{name := Name} = M, Id) ->
    Own = list_to_atom(lists:concat([Name, "~", Id])),
    maps:map(fun(name, _) -> Own; (_, V) -> own_names(V, Id) end, M);
own_names(M, Id) when is_map(M) -> maps:map(fun(_, V) -> own_names(V, Id) end, M);
own_names(L, Id) when is_list(L) -> [own_names(X, Id) || X <- L];
own_names(X, _) -> X.

%% Processes tell the player, and go on when it has heard.
tell(Player, What) ->
    Ref = monitor(process, Player),
    Player ! {Ref, self(), What},
    receive
        {Ref, ok} -> demonitor(Ref, [flush]), ok;
        {'DOWN', Ref, _, _, _} -> exit(recorder_gone)
    end.

live(Name, Player, Trap) ->
    process_flag(trap_exit, Trap),
    tell(Player, {born, Name, plain, self()}),
    loop(Player).

loop(Player) ->
    receive
        {'$do', Ref, Step} ->
            put(player, Player),
            Player ! {Ref, follow(Step)},
            loop(Player)
    end.

born(Name, S) ->
    receive {Ref, From, {born, Name, Kind, Pid}} -> From ! {Ref, ok}, born(Name, Kind, Pid, S) end.

born(Name, Kind, Pid, S) ->
    #{named := Named, names := Names, alive := Alive, plain := Plain} = S,
    S#{named := Named#{Name => Pid}, names := Names#{Pid => Name},
       alive := Alive#{Pid => Name},
       plain := case Kind of plain -> Plain#{Pid => Name}; _ -> Plain end}.

%% A step that speaks of a process or monitor that never came to be is left out.
step(#{by := By} = Step, #{named := Named} = S) ->
    Ops = maps:get(ops, Step, [Step]),
    New = [N || Op <- tl(lists:reverse(Ops)), K <- [as, mon], #{K := N} <- [Op]],
    Used = [By | [N || #{op := O} = Op <- Ops, O =/= spawn, K <- [to, who, mon],
                       #{K := N} <- [Op], is_atom(N)]],
    case [N || N <- Used, not maps:is_key(N, Named), not lists:member(N, New)] of
        [] -> do_step(Step, S);
        _ -> {skipped, S}
    end.

do_step(#{by := By} = Step, S) ->
    #{named := #{By := Pid}, alive := Alive} = S,
    Ref = make_ref(),
    Dead = not maps:is_key(Pid, Alive),
    put(named, maps:get(named, S)),
    Dead orelse (Pid ! {'$do', Ref, {maps:get(named, S), Step}}),
    {Result, S1} = settle(Ref, none, 0, S#{exits := [], gs := [], term := []}),
    #{names := Names, named := Named, exits := Exits, gs := Gs, term := Term, alive := Alive1} = S1,
    R = case {Dead, Result} of
            {true, _} -> #{noproc => {switch, true}};
            {_, none} -> #{exited => {switch, true}};
            _ -> Result
        end,
    S2 = names_of(R, Step, S1),
    #{names := Names2} = S2,
    Name = fun(X) -> maps:get(X, Names2) end,
    Encoded = result(R, Name),
    Boxes = [{N, [rec:enc(M, Name) || M <- messages(P)]} || {P, N} <- maps:to_list(maps:get(plain, S1)),
                                                           maps:is_key(P, Alive1)],
    Links = [{N, lists:sort([maps:get(L, Names) || L <- links(P)])} || {P, N} <- maps:to_list(Alive1)],
    Parts = [{exits, [{N, rec:enc(X, Name)} || {N, X} <- Exits]},
             {term, [{N, rec:enc(X, Name)} || {N, X} <- Term]},
             {gs, grouped([{N, rec:enc(X, Name)} || {N, X} <- lists:reverse(Gs)])},
             {mbox, [{N, L} || {N, L} <- Boxes, L =/= []]},
             {links, [{N, L} || {N, L} <- Links, L =/= []]}],
    _ = Named,
    Trace = maps:from_list([{K, maps:from_list(L)} || {K, L} <- Parts, L =/= []]),
    {Trace#{r => Encoded, alive => lists:sort(maps:values(Alive1))}, S2}.

grouped(Pairs) ->
    maps:to_list(lists:foldl(fun({N, X}, M) -> maps:update_with(N, fun(L) -> L ++ [X] end, [X], M) end,
                             #{}, Pairs)).

messages(P) ->
    {_, L} = process_info(P, messages),
    L.

links(P) ->
    {_, L} = process_info(P, links),
    [X || X <- L, is_pid(X)].

%% Take in what processes tell and what becomes of them, until nothing goes on any more.
settle(_, Result, 5, S) -> {Result, S};
settle(Ref, Result, Quiet, S) ->
    receive
        {trace, Pid, exit, Reason} ->
            #{alive := Alive, exits := Exits} = S,
            case Alive of
                #{Pid := Name} ->
                    settle(Ref, Result, 0, S#{alive := maps:remove(Pid, Alive),
                                              exits := [{Name, Reason} | Exits]});
                _ -> settle(Ref, Result, 0, S)
            end;
        {Ref, It} -> settle(Ref, It, 0, S);
        {Mark, From, {born, Name, Kind, Pid}} -> From ! {Mark, ok}, settle(Ref, Result, 0, born(Name, Kind, Pid, S));
        {Mark, From, {gs, Name, What}} -> From ! {Mark, ok}, #{gs := L} = S, settle(Ref, Result, 0, S#{gs := [{Name, What} | L]});
        {Mark, From, {term, Name, What}} -> From ! {Mark, ok}, #{term := L} = S, settle(Ref, Result, 0, S#{term := [{Name, What} | L]});
        {trace, _, _, _} -> settle(Ref, Result, Quiet, S);
        {trace, _, _, _, _} -> settle(Ref, Result, Quiet, S)
    after 1 ->
        Idle = [{{gen_server, loop}, empty}, {{?MODULE, loop}, plain}],
        case lists:all(fun(P) -> rec:resting(P, Idle) end, maps:keys(maps:get(alive, S))) of
            true -> settle(Ref, Result, Quiet + 1, S);
            false -> settle(Ref, Result, 0, S)
        end
    end.

%% What new references a step has brought, by the names it gives them.
names_of(#{vs := Rs}, #{ops := Ops}, S) ->
    lists:foldl(fun({R, Op}, A) -> names_of(R, Op, A) end, S, lists:zip(Rs, Ops));
names_of(#{v := Ref}, #{op := monitor, as := Name}, S) -> name(Name, Ref, S);
names_of(#{v := {_, Ref}}, #{op := spawn, mon := Name}, S) -> name(Name, Ref, S);
names_of(_, _, S) -> S.

name(Name, Ref, #{names := Names, named := Named} = S) ->
    S#{names := Names#{Ref => Name}, named := Named#{Name => Ref}}.

result(#{vs := Rs}, Name) -> #{vs => [result(R, Name) || R <- Rs]};
result(#{all := L}, Name) when length(L) > 1 ->
    #{v => [rec:enc(X, Name) || X <- L], u => 1};
result(#{all := L}, Name) -> #{v => rec:enc(L, Name)};
result(R, Name) -> maps:map(fun(K, V) when K =:= v; K =:= err; K =:= 'exit' -> rec:enc(V, Name);
                               (_, V) -> V end, R).

%% What a process does, in itself.
follow({Named, #{op := batch, ops := Ops}}) ->
    {Rs, _} = lists:mapfoldl(
        fun(Op, N) ->
            R = follow({N, Op}),
            {R, case {R, Op} of
                    {#{v := Ref}, #{op := monitor, as := Name}} -> N#{Name => Ref};
                    {#{v := {Pid, Ref}}, #{op := spawn, as := Name, mon := Mon}} -> N#{Name => Pid, Mon => Ref};
                    {#{v := Pid}, #{op := spawn, as := Name}} -> N#{Name => Pid};
                    {#{v := {ok, Pid}}, #{op := gs_start, as := Name}} -> N#{Name => Pid};
                    _ -> N
                end}
        end, Named, Ops),
    #{vs => Rs};
follow({Named, #{op := recv_all}}) -> _ = Named, #{all => take_all()};
follow({Named, #{op := Op} = Step}) when Op =:= call; Op =:= gs_stop ->
    try #{v => do(Named, Step)}
    catch exit:{Reason, _} -> #{'exit' => Reason};
          exit:Reason -> #{'exit' => Reason}
    end;
follow({_, #{op := exit1, reason := R}}) -> exit(term(R));
follow({_, #{op := raise, reason := R}}) -> error(term(R));
follow({_, #{op := throw, reason := R}}) -> throw(term(R));
follow({_, #{op := return}}) -> returned();
follow({Named, Step}) ->
    try #{v => do(Named, Step)}
    catch error:Reason -> #{err => Reason}
    end.

%% The function of the process returns: its loop is left by ending normally.
returned() -> exit(normal).

take_all() ->
    receive
        {'$do', _, _} = M -> self() ! M, [];
        M -> [M | take_all()]
    after 0 -> []
    end.

do(_, #{op := spawn, how := How, as := Name} = Step) ->
    Player = get(player),
    Trap = maps:get(trap, Step, false),
    Self = self(),
    Ref = make_ref(),
    Fun = fun() -> process_flag(trap_exit, Trap),
                   tell(Player, {born, Name, plain, self()}),
                   Self ! Ref,
                   loop(Player) end,
    Result = case How of
                 spawn -> spawn(Fun);
                 spawn_link -> spawn_link(Fun);
                 spawn_monitor -> spawn_monitor(Fun)
             end,
    receive Ref -> Result end;
do(N, #{op := link, to := To}) -> link(pid(N, To));
do(N, #{op := unlink, to := To}) -> unlink(pid(N, To));
do(_, #{op := monitor, to := #{name := Name}}) -> monitor(process, Name);
do(N, #{op := monitor, to := To}) -> monitor(process, pid(N, To));
do(N, #{op := demonitor, mon := Mon} = Step) -> demonitor(maps:get(Mon, N), maps:get(opts, Step, []));
do(_, #{op := trap_exit, v := V}) -> process_flag(trap_exit, V);
do(N, #{op := exit2, to := To, reason := R}) -> exit(pid(N, To), term(R));
do(N, #{op := send, to := To, msg := M}) -> pid(N, To) ! term(M);
do(N, #{op := register, name := Name, who := Who}) -> register(Name, maps:get(Who, N));
do(_, #{op := unregister, name := Name}) -> unregister(Name);
do(_, #{op := whereis, name := Name}) -> whereis(Name);
do(N, #{op := is_alive, who := Who}) -> is_process_alive(maps:get(Who, N));
do(_, #{op := gs_start, how := How, as := Name} = Step) ->
    gen_server:How(rec_proc_server, {get(player), Name, maps:get(trap, Step, false),
                                     term(maps:get(init, Step, ok))}, []);
do(N, #{op := call, to := To, req := Req} = Step) ->
    gen_server:call(pid(N, To), term(Req), maps:get(timeout, Step, 5000));
do(N, #{op := cast, to := To, msg := M}) -> gen_server:cast(pid(N, To), term(M));
do(N, #{op := gs_stop, to := To, reason := R}) -> gen_server:stop(pid(N, To), term(R), 5000).

pid(_, #{name := Name}) -> Name;
pid(N, Name) -> maps:get(Name, N).

term(V) -> rec:value(V, fun(P) -> P end).
