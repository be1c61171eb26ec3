%% A state machine driven by a rule table, as README.md of the traces defines it.
%%
%% It tells Told of everything: {self(), {event, Json}}; and of each timer that it starts, when it
%% is going to expire: {self(), {timer, Milliseconds}}. Callback mode, rules and the calls that are
%% open are in the process dictionary, so that the data is the counter alone.
-module(statem_machine).
-behaviour(gen_statem).

%% Events and timers in one scenario; a table may well be an endless loop.
-define(MOST, 500).

-export([init/1, callback_mode/0, terminate/3, handle_event/4, a/3, b/3, c/3, d/3]).

init({Scenario, Told}) ->
    #{<<"init">> := Init, <<"mode">> := Mode, <<"enter">> := Enter, <<"rules">> := Rules} = Scenario,
    put(told, Told),
    put(count, 0),
    put(mode, [binary_to_atom(Mode)] ++ [state_enter || Enter]),
    put(rules, Rules),
    put(calls, #{}),
    put(current, none),
    State = binary_to_atom(maps:get(<<"state">>, Init)),
    {ok, State, 0, actions(maps:get(<<"actions">>, Init, []))}.

callback_mode() -> get(mode).

a(Type, Content, Data) -> handle_event(Type, Content, a, Data).
b(Type, Content, Data) -> handle_event(Type, Content, b, Data).
c(Type, Content, Data) -> handle_event(Type, Content, c, Data).
d(Type, Content, Data) -> handle_event(Type, Content, d, Data).

terminate(Reason, State, Data) ->
    tell({event, [terminate, State, json(Reason, Data), Data]}).

handle_event(Type, Content, State, Data) ->
    {Kind, Shown, What} = read(Type, Content),
    tell({event, [h, State, Shown, json(What, Data), Data]}),
    case [R || R = #{<<"s">> := S, <<"t">> := T, <<"c">> := C} <- get(rules),
               T =:= Kind, S =:= <<"*">> orelse S =:= atom_to_binary(State),
               C =:= <<"*">> orelse term(C) =:= What] of
        [#{<<"r">> := Return} | _] -> follow(Return, Data);
        [] -> keep_state_and_data
    end.

%% What kind of rule an event wants, how its type is shown, and its content.
read({call, From}, {Id, Content}) ->
    put(current, From),
    put(calls, (get(calls))#{Id => From}),
    {<<"call">>, {obj, [{call, Id}]}, Content};
read(enter, Old) -> {<<"enter">>, <<"enter">>, Old};
read({timeout, Name}, Content) ->
    put(current, none),
    {#{<<"timeout">> => atom_to_binary(Name)}, {obj, [{timeout, Name}]}, Content};
read(Type, Content) ->
    put(current, none),
    {atom_to_binary(Type), Type, Content}.

follow(#{<<"k">> := Kind} = Return, Data) ->
    Actions = maps:get(<<"a">>, Return, []),
    case Kind of
        <<"raise">> -> error(term(maps:get(<<"reason">>, Return)));
        <<"bad">> -> term(maps:get(<<"v">>, Return));
        <<"stop">> -> {stop, term(maps:get(<<"reason">>, Return)), Data + 1};
        <<"stop_and_reply">> ->
            {stop_and_reply, term(maps:get(<<"reason">>, Return)), actions(Actions), Data + 1};
        <<"next_state">> ->
            with_actions({next_state, binary_to_atom(maps:get(<<"s">>, Return)), Data + 1}, Actions);
        <<"keep_state">> -> with_actions({keep_state, Data + 1}, Actions);
        <<"repeat_state">> -> with_actions({repeat_state, Data + 1}, Actions);
        _ when Actions =:= [] -> binary_to_atom(Kind);
        _ -> {binary_to_atom(Kind), actions(Actions)}
    end.

with_actions(Return, []) -> Return;
with_actions(Return, Actions) -> erlang:append_element(Return, actions(Actions)).

actions(Actions) -> lists:append([action(Action) || Action <- Actions]).

action(<<"postpone">>) -> [postpone];
action(<<"hibernate">>) -> [hibernate];
action(#{<<"next_event">> := [Type, Content]}) -> [{next_event, event_type(Type), term(Content)}];
action(#{<<"reply">> := Id, <<"v">> := Value}) ->
    From = case Id of
               <<"cur">> -> get(current);
               _ -> maps:get(Id, get(calls), none)
           end,
    [{reply, From, term(Value)} || From =/= none];
action(#{<<"timer">> := Timer, <<"set">> := <<"infinity">>, <<"c">> := Content}) ->
    [{timer(Timer), infinity, term(Content)}];
action(#{<<"timer">> := Timer, <<"set">> := Ms, <<"c">> := Content}) ->
    [tell({timer, erlang:monotonic_time(millisecond) + Ms}) || Ms > 0],
    [{timer(Timer), Ms, term(Content)}];
action(#{<<"timer">> := Timer, <<"cancel">> := true}) -> [{timer(Timer), cancel}];
action(#{<<"timer">> := Timer, <<"update">> := Content}) -> [{timer(Timer), update, term(Content)}];
action(#{<<"raw">> := Term}) -> [term(Term)].

event_type(#{<<"timeout">> := Name}) -> {timeout, binary_to_atom(Name)};
event_type(Type) -> binary_to_atom(Type).

timer(<<"state">>) -> state_timeout;
timer(<<"event">>) -> timeout;
timer(#{<<"g">> := Name}) -> {timeout, binary_to_atom(Name)}.

tell(What) ->
    put(count, get(count) + 1),
    get(count) > ?MOST andalso exit(endless),
    get(told) ! {self(), What}.

term(Json) -> trace_json:term(Json, fun(_, Name) -> error({no_such_name, Name}) end).

%% A transition in a reason has the callback data in it, a stray time-out a reference.
json({bad_state_enter_return_from_state_function = Word, Return}, _) ->
    trace_json:json({Word, setelement(3, Return, '$data')}, fun(_) -> <<"?">> end);
json(Term, _) -> trace_json:json(Term, fun(_) -> <<"?">> end).
