%% The supervisors and workers of a scenario of supervisor.jsonl.
-module(rec_supervisor_tree).
-behaviour(supervisor).
-export([init/1, start_tree/3, start_tree/4, start_tree/5, spec/3]).

start_tree(C, Path, Tree) -> supervisor:start_link(?MODULE, {C, Path, Tree}).
start_tree(C, SupPath, Tree, Name) -> start_tree(C, join(SupPath, Name), Tree).
start_tree(C, SupPath, Tree, Name, _W) -> start_tree(C, join(SupPath, Name), Tree).

init({C, Path, Tree}) ->
    {_, Outcome} = rec_supervisor:enter(C, Path, maps:get(init, Tree, []), tree),
    case rec_supervisor_worker:outcome(Outcome, go) of
        go ->
            Flags = maps:map(fun(_, V) -> term(V) end,
                             maps:with([strategy, intensity, period, auto_shutdown], Tree)),
            {ok, {Flags, [spec(C, Path, Child) || Child <- maps:get(children, Tree)]}};
        {return, Term} -> term(Term);
        Else -> Else
    end.

spec(_, _, #{raw := Term}) -> term(Term);
spec(C, Above, Child) ->
    Given = maps:map(fun(_, V) -> term(V) end,
                     maps:with([id, restart, shutdown, significant, type, modules], Child)),
    case start(C, Above, Child) of
        none -> Given;
        Start -> Given#{start => Start}
    end.

start(_, _, #{start := Term}) -> term(Term);
start(C, Above, #{sup := Tree, template := true}) -> {?MODULE, start_tree, [C, Above, Tree]};
start(C, Above, #{template := true}) -> {rec_supervisor_worker, start_from_template, [C, Above]};
start(C, Above, #{sup := Tree} = Child) ->
    {?MODULE, start_tree, [C, join(Above, maps:get(id, Child, undefined)), Tree]};
start(C, Above, #{w := Knobs} = Child) ->
    {rec_supervisor_worker, start, [C, join(Above, maps:get(id, Child, undefined)), Knobs]};
start(_, _, _) -> none.

term(V) -> rec:value(V, fun(P) -> P end).

join(Path, Id) when is_atom(Id) -> list_to_atom(lists:concat([Path, "/", Id]));
join(Path, Id) -> join(Path, list_to_atom(lists:flatten(io_lib:format("~p", [Id])))).
