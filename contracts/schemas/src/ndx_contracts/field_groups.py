"""The 26 field groups of the National Population Database (Identity Law 26/2023/QH15, article 9)."""

from enum import StrEnum


class FieldGroup(StrEnum):
    """A group of a person's data that an agreement may cover, in the order of article 9."""

    BIRTH_NAME = "birth_name"
    OTHER_NAME = "other_name"
    PERSONAL_ID = "personal_id"
    BIRTH_DATE = "birth_date"
    SEX = "sex"
    BIRTH_PLACE = "birth_place"
    BIRTH_REGISTRATION_PLACE = "birth_registration_place"
    HOME_TOWN = "home_town"
    ETHNICITY = "ethnicity"
    RELIGION = "religion"
    NATIONALITY = "nationality"
    BLOOD_GROUP = "blood_group"
    LEGACY_ID_NUMBER = "legacy_id_number"
    CARD_HISTORY = "card_history"
    FAMILY_RELATIONS = "family_relations"
    PERMANENT_RESIDENCE = "permanent_residence"
    TEMPORARY_RESIDENCE = "temporary_residence"
    CURRENT_RESIDENCE = "current_residence"
    TEMPORARY_ABSENCE = "temporary_absence"
    RESIDENCE_FILE_NUMBER = "residence_file_number"
    MARITAL_STATUS = "marital_status"
    RELATION_TO_HEAD = "relation_to_head"
    HOUSEHOLD = "household"
    DEATH_OR_MISSING_DATE = "death_or_missing_date"
    CONTACT = "contact"
    OTHER_INFORMATION = "other_information"
    # Groups of other registers, disclosed by their owners.
    CIVIL_STATUS_RECORD = "civil_status_record"
    INSURANCE_ENTITLEMENT = "insurance_entitlement"
    TAX_REGISTRATION = "tax_registration"
    EID_ACCOUNT = "eid_account"


POPULATION_GROUPS: frozenset[FieldGroup] = frozenset(list(FieldGroup)[:26])
"""The groups that the population database owns."""
