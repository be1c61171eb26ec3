%% JSON as the traces have it, and the terms that it stands for.
%%
%% decode/1 gives integers, atoms true, false and null, binaries, lists, and objects as maps with
%% binary keys. encode/1 takes the same, and writes the keys of objects in the order of the list
%% that {obj, [{Key, Value}]} gives. term/2 and json/2 turn JSON terms ({"t": [...]} and so on)
%% into Erlang terms and back; names of pids and references are looked up by the functions given.
-module(trace_json).
-export([decode/1, encode/1, term/2, json/2]).

decode(Text) ->
    {Value, _} = value(skip(Text)),
    Value.

value(<<${, Rest/binary>>) -> object(skip(Rest), #{});
value(<<$[, Rest/binary>>) -> array(skip(Rest), []);
value(<<$", Rest/binary>>) -> string(Rest, <<>>);
value(<<"true", Rest/binary>>) -> {true, Rest};
value(<<"false", Rest/binary>>) -> {false, Rest};
value(<<"null", Rest/binary>>) -> {null, Rest};
value(Text) -> integer(Text, []).

object(<<$}, Rest/binary>>, Map) -> {Map, Rest};
object(<<$,, Rest/binary>>, Map) -> object(skip(Rest), Map);
object(<<$", Text/binary>>, Map) ->
    {Key, Rest} = string(Text, <<>>),
    <<$:, Rest1/binary>> = skip(Rest),
    {Value, Rest2} = value(skip(Rest1)),
    object(skip(Rest2), Map#{Key => Value}).

array(<<$], Rest/binary>>, Items) -> {lists:reverse(Items), Rest};
array(<<$,, Rest/binary>>, Items) -> array(skip(Rest), Items);
array(Text, Items) ->
    {Value, Rest} = value(Text),
    array(skip(Rest), [Value | Items]).

string(<<$", Rest/binary>>, Text) -> {Text, Rest};
string(<<$\\, $u, Hex:4/binary, Rest/binary>>, Text) ->
    string(Rest, <<Text/binary, (binary_to_integer(Hex, 16))/utf8>>);
string(<<$\\, Char, Rest/binary>>, Text) -> string(Rest, <<Text/binary, (escaped(Char))>>);
string(<<Char, Rest/binary>>, Text) -> string(Rest, <<Text/binary, Char>>).

escaped($n) -> $\n;
escaped($t) -> $\t;
escaped($r) -> $\r;
escaped(Char) -> Char.

integer(<<Char, Rest/binary>>, Digits) when Char >= $0, Char =< $9; Char =:= $- ->
    integer(Rest, [Char | Digits]);
integer(Rest, Digits) -> {list_to_integer(lists:reverse(Digits)), Rest}.

skip(<<Char, Rest/binary>>) when Char =:= $\s; Char =:= $\n; Char =:= $\t; Char =:= $\r -> skip(Rest);
skip(Text) -> Text.

encode({obj, Pairs}) ->
    [${, lists:join($,, [[encode(Key), $:, encode(Value)] || {Key, Value} <- Pairs]), $}];
encode(Map) when is_map(Map) -> encode({obj, maps:to_list(Map)});
encode(List) when is_list(List) -> [$[, lists:join($,, [encode(Item) || Item <- List]), $]];
encode(Number) when is_integer(Number) -> integer_to_binary(Number);
encode(true) -> <<"true">>;
encode(false) -> <<"false">>;
encode(null) -> <<"null">>;
encode(Name) when is_atom(Name) -> encode(atom_to_binary(Name));
encode(Text) when is_binary(Text) ->
    [$", [quoted(Char) || Char <- unicode:characters_to_list(Text)], $"].

quoted($") -> <<"\\\"">>;
quoted($\\) -> <<"\\\\">>;
quoted(Char) when Char < 32 -> io_lib:format("\\u~4.16.0b", [Char]);
quoted(Char) -> <<Char/utf8>>.

%% Terms. Named = fun(pid | ref, Name) -> the pid or reference of that name.

term(Name, _) when is_binary(Name) -> binary_to_atom(Name);
term(Number, _) when is_integer(Number) -> Number;
term(List, Named) when is_list(List) -> [term(Item, Named) || Item <- List];
term(Object, Named) ->
    case maps:to_list(Object) of
        [{<<"f">>, Text}] -> binary_to_float(Text);
        [{<<"b">>, Text}] -> Text;
        [{<<"t">>, Items}] -> list_to_tuple(term(Items, Named));
        [{<<"m">>, Pairs}] -> maps:from_list([{term(K, Named), term(V, Named)} || [K, V] <- Pairs]);
        [{<<"p">>, Name}] -> Named(pid, Name);
        [{<<"r">>, Name}] -> Named(ref, Name)
    end.

%% Name = fun(Pid or Ref) -> its name.

json(Atom, _) when is_atom(Atom) -> atom_to_binary(Atom);
json(Number, _) when is_integer(Number) -> Number;
json(Float, _) when is_float(Float) -> {obj, [{f, iolist_to_binary(io_lib:format("~p", [Float]))}]};
json(Text, _) when is_binary(Text) -> {obj, [{b, Text}]};
json(Tuple, Name) when is_tuple(Tuple) -> {obj, [{t, json(tuple_to_list(Tuple), Name)}]};
json([], _) -> [];
json([Head | Tail], Name) when is_list(Tail) -> [json(Head, Name) | json(Tail, Name)];
json(Map, Name) when is_map(Map) ->
    {obj, [{m, [[json(K, Name), json(V, Name)] || {K, V} <- lists:sort(maps:to_list(Map))]}]};
json(Pid, Name) when is_pid(Pid) -> {obj, [{p, Name(Pid)}]};
json(Ref, Name) when is_reference(Ref) -> {obj, [{r, Name(Ref)}]}.
