"""The public MABe 2022 evaluator, as published and as it should be."""
