"""The rules that sort pairs into zones: name and birth date alone never make a pair sure."""

import json
import random
from importlib import resources

import pytest
from pydantic import ValidationError
from svc_population.dedupe.model import Model, load_model
from svc_population.dedupe.vocabulary import Zone
from svc_population.dedupe.zones import UNKNOWN, points, zone_of

MODEL = load_model()
LABELS = MODEL.labels()
ANY = MODEL.zones.sure[0]
SAME_NAME_AND_DATE = {**dict.fromkeys(LABELS, UNKNOWN), "name": "SAME", "birth_date": "EXACT", "sex": "SAME"}
BEYOND = ("birth_place", "residence", "mother", "father", "legacy_number", "phone")


def zone(_probability: float = 0.9999999, /, **levels: str) -> Zone:
    return zone_of(MODEL.zones, _probability, {**SAME_NAME_AND_DATE, **levels})


class TestZones:
    def test_name_and_birth_date_alone_are_never_sure_however_likely(self):
        assert zone(1.0) is Zone.REVIEW

    def test_whatever_is_sure_has_something_beyond_name_and_birth_date_that_agrees(self):
        chance, sure = random.Random(1), 0
        for _ in range(20_000):
            levels = {n: chance.choice([*labels, UNKNOWN]) for n, labels in LABELS.items()}
            levels |= {n: chance.choice(allowed) for n, allowed in ANY.levels.items()}
            if zone_of(MODEL.zones, 1.0, levels) is Zone.SURE:
                sure += 1
                assert points(ANY, levels) >= 2
                assert any(levels[name] in {"SAME", "COMMUNE"} for name in BEYOND)
        assert 1_000 < sure < 19_000

    @pytest.mark.parametrize(
        ("more", "expected"),
        [
            ({"legacy_number": "SAME"}, Zone.SURE),
            ({"mother": "SAME", "father": "SAME"}, Zone.SURE),
            ({"mother": "SAME", "residence": "COMMUNE"}, Zone.SURE),
            ({"phone": "SAME", "birth_place": "COMMUNE"}, Zone.SURE),
            ({"birth_place": "COMMUNE", "residence": "COMMUNE"}, Zone.REVIEW),
            ({"phone": "SAME"}, Zone.REVIEW),
        ],
    )
    def test_place_of_birth_and_of_residence_count_once(self, more, expected):
        assert zone(**more) is expected

    @pytest.mark.parametrize(
        ("more", "expected"),
        [
            ({"birth_date": "ONE_DIGIT", "mother": "SAME", "father": "SAME"}, Zone.SURE),
            ({"birth_date": "YEAR_ONLY", "phone": "SAME", "residence": "COMMUNE"}, Zone.SURE),
            ({"birth_date": "ONE_DIGIT", "residence": "COMMUNE", "birth_place": "COMMUNE"}, Zone.REVIEW),
            ({"birth_date": "SAME_YEAR", "mother": "SAME", "father": "SAME"}, Zone.REVIEW),
            ({"name": "TYPO", "legacy_number": "SAME"}, Zone.SURE),
            ({"name": "UNACCENTED", "birth_date": "YEAR_ONLY", "legacy_number": "SAME"}, Zone.SURE),
            ({"name": "TYPO", "legacy_number": "SAME", "mother": "OTHER"}, Zone.REVIEW),
            # Twins share parents, places and the family's telephone.
            (
                {
                    "name": "UNACCENTED",
                    "phone": "SAME",
                    "mother": "SAME",
                    "father": "SAME",
                    "residence": "COMMUNE",
                },
                Zone.REVIEW,
            ),
        ],
    )
    def test_a_fault_in_the_date_needs_two_points_and_one_in_the_name_the_old_number(self, more, expected):
        assert zone(**more) is expected

    @pytest.mark.parametrize("rule", MODEL.zones.sure, ids=lambda r: r.name)
    def test_no_rule_ever_takes_two_of_one_household_or_name_and_date_alone_for_sure(self, rule):
        alone = {n: allowed[0] for n, allowed in rule.levels.items()}
        everything = {**dict.fromkeys(LABELS, "SAME"), "birth_place": "COMMUNE", "residence": "COMMUNE"}
        apart = {**everything, **alone, "household": "OTHER"}
        assert zone_of(MODEL.zones, 1.0, apart) is Zone.SURE
        assert zone_of(MODEL.zones, 1.0, {**apart, "household": "SAME"}) is not Zone.SURE
        assert zone_of(MODEL.zones, 1.0, {**dict.fromkeys(LABELS, UNKNOWN), **alone}) is not Zone.SURE

    @pytest.mark.parametrize("against", [{"legacy_number": "OTHER"}, {"father": "OTHER"}, {"sex": "OTHER"}])
    def test_what_speaks_against_it_keeps_a_pair_out_of_sure(self, against):
        assert zone(mother="SAME", phone="SAME", residence="COMMUNE", **against) is Zone.REVIEW

    def test_twins_that_agree_in_all_but_the_given_name_are_no_pair(self):
        family = {"mother": "SAME", "father": "SAME", "birth_place": "COMMUNE", "residence": "COMMUNE"}
        assert zone(**family, name="OTHER") is Zone.NO
        assert zone(**family, name="UNACCENTED") is Zone.REVIEW
        assert zone(**family, name="MIDDLE_MISSING") is Zone.REVIEW
        assert zone(**family, household="SAME") is Zone.REVIEW
        assert zone(**family, name="MIDDLE_MISSING", phone="SAME") is Zone.SURE

    def test_another_name_with_the_same_old_number_is_looked_at(self):
        assert zone(name="OTHER", legacy_number="SAME") is Zone.REVIEW

    def test_an_unlikely_pair_is_none(self):
        assert zone(0.01) is Zone.NO


class TestModel:
    def test_the_prior_follows_the_number_of_people(self):
        assert MODEL.prior(1_000_001) == pytest.approx(2 * MODEL.expected_duplicates_per_person / 1_000_000)
        assert MODEL.prior(2) == 2 * MODEL.expected_duplicates_per_person
        assert MODEL.prior(0) <= 0.5

    def test_probabilities_of_a_comparison_add_up_to_one(self):
        for comparison in MODEL.settings["comparisons"]:
            levels = [x for x in comparison["comparison_levels"] if not x.get("is_null_level")]
            for of in ("m_probability", "u_probability"):
                assert sum(x[of] for x in levels) == pytest.approx(1, abs=0.01), comparison

    @pytest.mark.parametrize(
        "change",
        [
            lambda m: m["zones"]["sure"][0]["levels"].update(name=["NEARLY"]),
            lambda m: m["zones"]["sure"][0]["corroborations"].append(
                {"comparison": "birth_date", "levels": ["EXACT"], "points": 2, "group": "date"}
            ),
            lambda m: m["zones"]["sure"][0].update(corroborations=[]),
            lambda m: m["zones"]["sure"][2]["contradictions"].pop("household"),
        ],
    )
    def test_a_model_whose_rules_do_not_hold_together_is_refused(self, change):
        raw = json.loads(
            resources.files("svc_population.dedupe").joinpath("model.json").read_text(encoding="utf-8")
        )
        change(raw)
        with pytest.raises(ValidationError):
            Model.model_validate_json(json.dumps(raw))
