"""What else is told: reviews and answers, invoices, the account's alarms, dates, comments, tickets.

Most of it leaves no trace but a programme's stay: one fact, `Raised`, with the matter in full. What
has an end that may be heard before its beginning (a paid invoice, a cancelled date) is remembered.
"""

from __future__ import annotations

from hashlib import blake2b

from ecrm import facts, matters, money
from ecrm.acceptance.told import Facts, Told
from ecrm.matters import Stage
from ecrm.moment import Instant, instant_of
from proto import events

# What people say.


def reviewed(told: Told, event: events.ProductReviewed) -> Facts:
    again = event.product_id in told.state.ratings
    return (facts.ProductReviewed(event.product_id, round(event.rating or 0), again),)


def answered(_told: Told, event: events.SurveyAnswered) -> Facts:
    # A survey is named after what it asks about: "site/42" after an order, "support/7" a ticket.
    survey, _, about = event.survey_id.partition("/")
    score = round(event.score or 0)
    if survey == "site":
        return (facts.SiteRated(about, score),)
    return (facts.SurveyTaken(survey, about, score),)


# Invoices and payments.


def _invoice(
    told: Told, event: events.InvoiceIssued | events.InvoiceOverdue | events.InvoicePaid
) -> tuple[matters.Invoice, dict[str, str]]:
    currency = event.currency or told.currency
    invoice = matters.Invoice(
        invoice_id=event.invoice_id,
        order_id=event.order_id or "",
        total=None if event.total is None else money.minor_units(event.total, currency),
        currency=currency,
        due_at=None if event.due_at is None else instant_of(event.due_at),
        url=event.url or "",
    )
    refs = {"invoice": event.invoice_id, "order": event.order_id or f"invoice {event.invoice_id}"}
    return invoice, refs


def issued(told: Told, event: events.InvoiceIssued) -> Facts:
    return (facts.Raised("Invoice Issued", told.occurred, *_invoice(told, event)),)


def overdue(told: Told, event: events.InvoiceOverdue) -> Facts:
    # A shop may say it every day until it is paid: the reminders begin once.
    said = f"overdue/{event.invoice_id}"
    if f"invoice/{event.invoice_id}" in told.state.over or said in told.state.over:
        return ()
    return (facts.Raised("Invoice Overdue", told.occurred, *_invoice(told, event), over=said),)


def settled(told: Told, event: events.InvoicePaid) -> Facts:
    over = f"invoice/{event.invoice_id}"
    invoice, refs = _invoice(told, event)
    if not event.order_id:
        # The invoice alone says which failed payment it ends, whatever order that was for.
        del refs["order"]
    return (facts.Raised("Invoice Paid", told.occurred, invoice, refs, over),)


def payment_failed(told: Told, event: events.PaymentFailed) -> Facts:
    failed = matters.FailedPayment(
        order_id=event.order_id or "",
        invoice_id=event.invoice_id or "",
        reason=event.reason or "",
        retry_url=event.retry_url or "",
    )
    refs = {
        "order": event.order_id or f"invoice {event.invoice_id or ''}",
        "invoice": event.invoice_id or f"order {event.order_id or ''}",
    }
    return (facts.Raised("Payment Failed", told.occurred, failed, refs),)


# The account's alarms. What is secret is not in the fact (mission §9.11).


def secret_of(event: object) -> matters.AnyMatter | None:
    """The matter of an event that must not be journalled, in clear; None for all others."""
    match event:
        case events.VerificationCodeRequested():
            expires = instant_of(event.expires_at)
            return matters.Code(event.code, expires, event.purpose or "")
        case events.PasswordResetRequested():
            return matters.Reset(event.reset_url, instant_of(event.expires_at))
        case _:
            return None


def secret_asked(
    told: Told, event: events.VerificationCodeRequested | events.PasswordResetRequested
) -> Facts:
    secret = secret_of(event)
    assert secret is not None
    name = events.NAMES[type(event)]
    return (facts.Raised(name, told.occurred, matters.redacted(secret)),)


def login(told: Told, event: events.LoginAttempted) -> Facts:
    attempt = matters.Login(
        success=event.success,
        at=told.occurred,
        ip=event.ip or "",
        device=event.user_agent or "",
        location=event.location or "",
    )
    return (facts.Raised("Login Attempted", told.occurred, attempt),)


def account_updated(told: Told, event: events.AccountUpdated) -> Facts:
    change = matters.AccountChange(tuple(event.fields), told.occurred)
    return (facts.Raised("Account Updated", told.occurred, change),)


# Others, and the calendar.


def commented(told: Told, event: events.CommentPosted) -> Facts:
    comment = matters.Comment(
        subject_id=event.subject_id,
        subject_url=event.subject_url or "",
        author=event.author or "",
        excerpt=event.excerpt or "",
    )
    refs = {"comment": f"{event.subject_id}/{told.occurred}"}
    return (facts.Raised("Comment Posted", told.occurred, comment, refs),)


def _appointment(
    event: events.AppointmentScheduled | events.AppointmentCancelled,
) -> tuple[matters.Appointment, dict[str, str]]:
    appointment = matters.Appointment(
        appointment_id=event.appointment_id,
        starts_at=instant_of(event.starts_at),
        kind=event.kind or "",
        place=event.place or "",
    )
    return appointment, {"appointment": event.appointment_id, "kind": event.kind or ""}


def scheduled(told: Told, event: events.AppointmentScheduled) -> Facts:
    """A date was made, or moved: then what waited for the old one is over. A calendar that tells
    all its dates every night tells nothing new, also once the reminder is out.
    """
    appointment, refs = _appointment(event)
    off = told.state.over.get(f"appointment/{event.appointment_id}")
    if off is not None and off >= told.occurred:
        return ()
    stays = told.state.enrolments.values()
    waiting = [s for s in stays if s.refs.get("appointment") == event.appointment_id]
    date = f"date/{event.appointment_id}/{appointment.starts_at}"
    last, since = _last_date(told, event.appointment_id)
    stands = last != "" and (off is None or since > off)
    if stands and (told.occurred < since or (last == date and not waiting)):
        return ()
    if any(stay.matter == appointment for stay in waiting):
        return ()
    made = facts.Raised("Appointment Scheduled", told.occurred, appointment, refs, date)
    if not waiting:
        return (made,)
    return (facts.Raised("Appointment Moved", told.occurred, appointment, refs), made)


def _last_date(told: Told, appointment_id: str) -> tuple[str, Instant]:
    """For when an appointment was last made, to our knowledge, and when that was said."""
    about, over = f"date/{appointment_id}", told.state.over
    dates = [(at, key) for key, at in over.items() if key.rpartition("/")[0] == about]
    since, last = max(dates, default=(Instant(0), ""))
    return last, since


def unscheduled(told: Told, event: events.AppointmentCancelled) -> Facts:
    over = f"appointment/{event.appointment_id}"
    made = _appointment(event)
    return (facts.Raised("Appointment Cancelled", told.occurred, *made, over=over),)


def ticket(
    told: Told,
    event: events.SupportTicketOpened | events.SupportTicketUpdated | events.SupportTicketClosed,
) -> Facts:
    name = events.NAMES[type(event)]
    stages: dict[str, Stage] = {
        "Support Ticket Opened": "opened",
        "Support Ticket Updated": "updated",
        "Support Ticket Closed": "closed",
    }
    told_of = matters.Ticket(
        ticket_id=event.ticket_id,
        stage=stages[name],
        subject=event.subject or "",
        status=event.status or "",
        parties=tuple(event.parties),
    )
    return (facts.Raised(name, told.occurred, told_of, {"ticket": event.ticket_id}),)


def invited(told: Told, event: events.InviteSent) -> Facts:
    if not event.invitee_email:
        return ()
    invitation = matters.Invitation(event.invitee_email, event.invitee_first_name or "")
    refs = {"invitee": invitee_of(event.invitee_email)}
    return (facts.Raised("Invite Sent", told.occurred, invitation, refs),)


def invitee_of(address: str) -> str:
    """An address that is not ours to keep, as a hash."""
    return blake2b(address.strip().casefold().encode(), digest_size=12).hexdigest()
