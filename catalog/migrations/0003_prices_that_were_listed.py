"""The prices that were kept as text become rows, so that what was known of a model's price still is."""

from decimal import ROUND_CEILING, Decimal

from django.db import migrations
from django.utils import timezone

PICO = 10**12


def keep_listed_prices(apps, schema_editor):
    offers = apps.get_model("catalog", "Offer").objects.filter(price=None).exclude(model__prompt_price="")
    prices = apps.get_model("catalog", "Price").objects
    for offer in offers.exclude(model__completion_price="").select_related("model", "provider"):
        prompt, completion = (
            int((Decimal(text) * PICO).to_integral_value(ROUND_CEILING))
            for text in (offer.model.prompt_price, offer.model.completion_price)
        )
        offer.price = prices.create(
            team_id=offer.model.team_id,
            model_id=offer.model.model_id,
            provider_name=offer.provider.name,
            prompt_picousd=prompt,
            completion_picousd=completion,
            source=f"listed by {offer.provider.name}",
            as_of=timezone.now().date(),
        )
        offer.save(update_fields=["price"])


class Migration(migrations.Migration):
    dependencies = [("catalog", "0002_prices")]

    operations = [migrations.RunPython(keep_listed_prices, migrations.RunPython.noop)]
