"""`beam.state.query_defaults`: a session's provider, model, agent and the rest."""

from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam.errors import InvalidInput, NotFound, StateRefused
from beam.state import QueryDefaults
from beam.state.query_defaults import QUERY_KEYS

EVERYTHING = {
    "provider_id": "openai",
    "provider": {"api_key": "sk-1", "base_url": "http://a"},
    "model_id": "large",
    "agent": "builder",
    "mode": "plan",
    "system": {"preset": "short"},
    "tools": ["read", "write"],
}


def test_an_unknown_session_has_nothing():
    assert QueryDefaults().view() == {}


class TestRegistering:
    def test_the_seven_keys_are_picked_out_of_the_options(self):
        defaults = QueryDefaults().registered({**EVERYTHING, "cwd": "/tmp", "backend": "claude"})
        assert defaults.merge({}) == EVERYTHING
        assert set(EVERYTHING) == set(QUERY_KEYS)

    def test_what_was_there_stays_where_the_options_say_nothing(self):
        defaults = QueryDefaults(agent="builder", model_id="large").registered(
            {"agent": None, "model_id": "small"}
        )
        assert defaults == QueryDefaults(agent="builder", model_id="small")

    def test_without_any_of_the_seven_nothing_changes(self):
        defaults = QueryDefaults(agent="builder")
        assert defaults.registered({"cwd": "/tmp"}) == defaults

    @pytest.mark.parametrize("key", ["provider_id", "model_id", "agent", "mode"])
    @pytest.mark.parametrize("value", ["", 7, ["a"]])
    def test_an_id_that_is_no_text_is_refused_by_name(self, key, value):
        with pytest.raises(InvalidInput) as refused:
            QueryDefaults().registered({key: value})
        assert (refused.value.field, refused.value.value) == (key, value)

    def test_a_provider_is_checked_as_everywhere(self):
        with pytest.raises(StateRefused, match="invalid_provider_config"):
            QueryDefaults().registered({"provider": "openai"})


class TestProvider:
    def test_it_is_selected_and_read_back(self):
        assert QueryDefaults().with_provider("openai").current_provider() == "openai"

    def test_selecting_it_leaves_its_configuration(self):
        defaults = QueryDefaults(provider={"base_url": "http://a"}).with_provider("openai")
        assert defaults.provider == {"base_url": "http://a"}

    def test_clearing_it_clears_its_configuration_too(self):
        assert QueryDefaults().registered(EVERYTHING).without_provider().provider is None

    def test_what_is_not_set_is_not_found(self):
        with pytest.raises(NotFound) as refused:
            QueryDefaults().current_provider()
        assert (refused.value.reason, refused.value.field) == ("not_set", "provider_id")

    @pytest.mark.parametrize("provider_id", ["", None, 7])
    def test_it_has_an_id(self, provider_id):
        with pytest.raises(InvalidInput, match="provider_id"):
            QueryDefaults().with_provider(provider_id)

    @pytest.mark.parametrize(
        ("info", "provider"),
        [
            ({"provider_id": "openai"}, "openai"),
            ({"providerID": "openai"}, "openai"),
            ({"provider_id": "openai", "providerID": "google"}, "openai"),
            ({"model": {"provider_id": "google"}}, "google"),
            ({"provider_id": "openai", "model": {"provider_id": "google"}}, "openai"),
        ],
    )
    def test_where_none_is_selected_a_live_session_may_tell(self, info, provider):
        assert QueryDefaults().current_provider(info) == provider

    @pytest.mark.parametrize("info", [{}, {"provider_id": ""}, {"provider_id": 7}, {"model": "m"}])
    def test_a_session_that_tells_nothing_leaves_it_not_set(self, info):
        with pytest.raises(NotFound, match="not_set"):
            QueryDefaults().current_provider(info)

    def test_the_selected_one_wins_over_what_the_session_tells(self):
        defaults = QueryDefaults().with_provider("openai")
        assert defaults.current_provider({"provider_id": "google"}) == "openai"


class TestProviderConfig:
    @pytest.mark.parametrize("key", ["id", "provider_id", "providerID"])
    def test_one_that_names_its_provider_selects_it(self, key):
        defaults = QueryDefaults(provider_id="google").with_provider_config({key: "openai"})
        assert defaults.current_provider() == "openai"

    @pytest.mark.parametrize("config", [{}, {"id": ""}, {"id": 7, "provider_id": "openai"}])
    def test_one_that_names_none_leaves_the_selection(self, config):
        defaults = QueryDefaults(provider_id="google").with_provider_config(config)
        assert defaults.current_provider() == "google"

    def test_it_replaces_the_last_one(self):
        defaults = QueryDefaults().with_provider_config({"base_url": "http://a"})
        assert defaults.with_provider_config({"project": "p"}).provider == {"project": "p"}

    @pytest.mark.parametrize("config", [None, "openai", ["api_key"], 7])
    def test_what_is_no_mapping_is_refused(self, config):
        with pytest.raises(StateRefused) as refused:
            QueryDefaults().with_provider_config(config)
        assert refused.value.reason == "invalid_provider_config"

    @pytest.mark.parametrize("key", ["apiKey", "api_key"])
    @pytest.mark.parametrize("value", ["", 7, None, ["sk-secret"], b"sk-secret"])
    def test_an_api_key_that_is_no_text_is_refused_without_quoting_it(self, key, value):
        with pytest.raises(StateRefused) as refused:
            QueryDefaults().with_provider_config({"id": "openai", key: value})
        assert (refused.value.reason, refused.value.field) == ("invalid_api_key", key)
        assert "sk-secret" not in str(refused.value)

    def test_a_refused_one_changes_nothing(self):
        defaults = QueryDefaults(provider={"base_url": "http://a"})
        with pytest.raises(StateRefused):
            defaults.with_provider_config({"api_key": ""})
        assert defaults.provider == {"base_url": "http://a"}


class TestModelAndAgent:
    def test_the_model_is_selected_read_and_cleared(self):
        defaults = QueryDefaults().with_model("large")
        assert defaults.current_model() == "large"
        with pytest.raises(NotFound, match="not_set"):
            defaults.without_model().current_model()

    def test_the_agent_is_selected_read_and_cleared(self):
        defaults = QueryDefaults().with_agent("builder")
        assert defaults.current_agent() == "builder"
        with pytest.raises(NotFound, match="not_set"):
            defaults.without_agent().current_agent()

    @pytest.mark.parametrize("info", [{"agent": "builder"}, {"current_agent": "builder"}])
    def test_where_no_agent_is_selected_a_live_session_may_tell(self, info):
        assert QueryDefaults().current_agent(info) == "builder"

    def test_fact_36_selecting_agents_never_loses_the_provider(self):
        defaults = QueryDefaults().with_provider("openai")
        for number in range(20):
            defaults = defaults.with_agent(f"agent {number}")
        assert defaults.current_provider() == "openai"

    @pytest.mark.parametrize("select", [QueryDefaults.with_model, QueryDefaults.with_agent])
    def test_they_have_names(self, select):
        with pytest.raises(InvalidInput):
            select(QueryDefaults(), "")


class TestViews:
    CONFIG: ClassVar = {
        "api_key": "sk-1",
        "base_url": "http://a",
        "oauth_callback": {"code": "c0de", "access_token": "t0ken", "request_id": "r1"},
    }

    def test_fact_35_secrets_are_redacted_and_the_rest_is_not(self):
        defaults = QueryDefaults().with_provider_config(self.CONFIG)
        expected = {
            "api_key": "redacted",
            "base_url": "http://a",
            "oauth_callback": {
                "code": "redacted",
                "access_token": "redacted",
                "request_id": "r1",
            },
        }
        assert defaults.provider_config_view() == expected
        assert defaults.view() == {"provider": expected}

    def test_secrets_outside_of_the_provider_are_redacted_too(self):
        defaults = QueryDefaults().registered({"tools": [{"name": "web", "token": "t0ken"}]})
        assert defaults.view() == {"tools": [{"name": "web", "token": "redacted"}]}

    def test_without_a_configuration_the_view_of_it_is_empty(self):
        assert QueryDefaults().provider_config_view() == {}


class TestMerging:
    def test_fact_37_what_is_explicit_wins_the_rest_fills_in_and_unknown_options_pass(self):
        defaults = QueryDefaults().registered(
            {"agent": "builder", "provider_id": "openai", "model_id": "large"}
        )
        assert defaults.merge({"agent": "reviewer", "max_turns": 3}) == {
            "agent": "reviewer",
            "provider_id": "openai",
            "model_id": "large",
            "max_turns": 3,
        }

    def test_two_provider_configurations_are_merged_key_by_key(self):
        defaults = QueryDefaults().registered(EVERYTHING)
        merged = defaults.merge({"provider": {"base_url": "http://b", "project": "p"}})
        assert merged["provider"] == {
            "api_key": "sk-1",
            "base_url": "http://b",
            "project": "p",
        }

    @pytest.mark.parametrize("provider", [None, "openai"])
    def test_a_provider_that_is_no_mapping_replaces_the_whole(self, provider):
        assert (
            QueryDefaults().registered(EVERYTHING).merge({"provider": provider})["provider"]
            == provider
        )

    def test_none_wins_too(self):
        assert QueryDefaults(agent="builder").merge({"agent": None}) == {"agent": None}

    def test_the_result_belongs_to_the_caller(self):
        defaults = QueryDefaults().registered(EVERYTHING)
        merged = defaults.merge({})
        merged["tools"].append("delete")
        merged["provider"]["api_key"] = "stolen"
        assert defaults.merge({}) == EVERYTHING


def test_what_is_kept_does_not_change_with_what_was_given():
    config = {"headers": {"a": 1}}
    defaults = QueryDefaults().with_provider_config(config)
    config["headers"]["a"] = 2
    assert defaults.provider == {"headers": {"a": 1}}


def test_data_that_contains_itself_is_refused():
    tools = []
    tools.append(tools)
    with pytest.raises(InvalidInput, match="tools"):
        QueryDefaults().registered({"tools": tools})


values = st.one_of(st.none(), st.text(min_size=1), st.integers())
options = st.fixed_dictionaries(
    {},
    optional={
        "provider_id": st.text(min_size=1),
        "provider": st.dictionaries(st.sampled_from(["base_url", "project", "token"]), values),
        "model_id": st.text(min_size=1),
        "agent": st.text(min_size=1),
        "mode": st.text(min_size=1),
        "system": values,
        "tools": st.lists(values),
        "max_turns": st.integers(),
    },
)


@given(st.lists(options, max_size=5), options)
def test_merging_is_a_plain_merge_of_mappings(registered, params):
    defaults, expected = QueryDefaults(), {}
    for given_options in registered:
        defaults = defaults.registered(given_options)
        known = {key: given_options[key] for key in QUERY_KEYS if key in given_options}
        expected.update({key: value for key, value in known.items() if value is not None})
    merged = {**expected, **params}
    if "provider" in expected and "provider" in params:
        merged["provider"] = {**expected["provider"], **params["provider"]}
    assert defaults.merge(params) == merged


@given(st.lists(options, max_size=5))
def test_no_view_shows_a_token(registered):
    defaults = QueryDefaults()
    for given_options in registered:
        defaults = defaults.registered(given_options)
    shown = defaults.view().get("provider", {})
    assert shown.get("token", "redacted") == "redacted"
