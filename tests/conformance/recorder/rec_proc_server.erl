%% A server of a scenario of proc.jsonl.
-module(rec_proc_server).
-behaviour(gen_server).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, terminate/2]).

init({Player, Name, Trap, Outcome}) ->
    process_flag(trap_exit, Trap),
    rec_proc:tell(Player, {born, Name, server, self()}),
    case Outcome of
        ok -> {ok, {Player, Name}};
        {raise, R} -> error(R);
        {exit, R} -> exit(R);
        Else -> Else
    end.

handle_call({stop, R}, _, S) -> {stop, R, stopping, S};
handle_call({stop_noreply, R}, _, S) -> {stop, R, S};
handle_call(noreply, _, S) -> {noreply, S};
handle_call({raise, R}, _, _) -> error(R);
handle_call({exit, R}, _, _) -> exit(R);
handle_call(Else, _, S) -> {reply, Else, S}.

handle_cast({stop, R}, S) -> {stop, R, S};
handle_cast({raise, R}, _) -> error(R);
handle_cast({exit, R}, _) -> exit(R);
handle_cast(X, S) -> note({'$cast', X}, S).

handle_info(M, S) -> note(M, S).

note(M, {Player, Name} = S) ->
    rec_proc:tell(Player, {gs, Name, M}),
    {noreply, S}.

terminate(Reason, {Player, Name}) -> rec_proc:tell(Player, {term, Name, Reason}).
