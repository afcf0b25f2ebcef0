"""A stand-in of Stripe's API whose objects follow from the shop's orders."""
