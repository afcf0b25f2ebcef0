"""A stand-in of Salesforce's REST API: the example company's wholesale business with pet shops."""
