from django.apps import AppConfig


class RedemptionsConfig(AppConfig):
    name = "redemptions"

    def ready(self) -> None:
        from contacts import records
        from redemptions.records import RedemptionRecords

        records.register(self.name, RedemptionRecords())
