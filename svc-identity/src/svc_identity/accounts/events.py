"""Turns changes of an account into the events of topic `identity.account.v1`."""

from ndx_contracts.events import AccountActivated, AccountLocked, AccountUnlocked, ActivationCodeIssued

from svc_identity.accounts.models import Account, LockCause


def activated(account: Account, activation_hash: str | None) -> AccountActivated:
    return AccountActivated(
        account_id=account.id,
        account_version=account.version,
        personal_id=account.personal_id,
        level=account.level,
        activation_hash=activation_hash,
    )


def code_issued(account: Account, activation_hash: str) -> ActivationCodeIssued:
    return ActivationCodeIssued(
        account_id=account.id, account_version=account.version, activation_hash=activation_hash
    )


def locked(account: Account, cause: LockCause) -> AccountLocked:
    return AccountLocked(account_id=account.id, account_version=account.version, cause=cause.value)


def unlocked(account: Account) -> AccountUnlocked:
    return AccountUnlocked(account_id=account.id, account_version=account.version)
