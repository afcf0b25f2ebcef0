"""The words the shop's rows are made of."""


def _words(text: str) -> tuple[str, ...]:
    """The words of a text; an underscore stands for a space within one."""
    return tuple(word.replace("_", " ") for word in text.split())


FIRST_NAMES = _words(
    "Anna Paul Ines Marco Lena Tomas Clara Jonas Emma Lucas Sofia Hugo Mila Felix Zoé Louis Alice Jules Eva Sem Julia "
    "Daan Olivia Noah Amelia Oscar Isla Harry Lucía Mateo Martina Pablo Giulia Leonardo Aurora Matteo Zofia Jan "
    "Hanna Antoni Astrid Elsa Björn Freja Søren Aoife Conor Fatima Amir Yuki Wei Olga Ivan Nora Emil Greta Theo"
)
LAST_NAMES = _words(
    "Müller Schmidt Schneider Fischer Weber Wagner Becker Hoffmann Martin Bernard Dubois Moreau Laurent Garcia "
    "De_Jong Jansen De_Vries Bakker Visser Smith Jones Taylor Brown Wilson Davies Evans Fernández López Martínez "
    "Sánchez Rossi Russo Ferrari Bianchi Romano Kowalska Nowak Wójcik Andersson Johansson Karlsson Nielsen Hansen "
    "Murphy Kelly O'Brien Chen Nguyen Kaya Demir Petrov Novák Horvat Popescu Silva Santos Costa"
)
EMAIL_DOMAINS = ("example.com", "example.org", "example.net", "mail.example", "post.example", "inbox.example")

# Country, share of customers, cities (largest first).
COUNTRIES: tuple[tuple[str, float, tuple[str, ...]], ...] = (
    ("Germany", 0.34, ("Berlin", "Hamburg", "München", "Köln", "Frankfurt am Main", "Leipzig", "Stuttgart", "Bremen")),
    ("France", 0.17, ("Paris", "Lyon", "Marseille", "Toulouse", "Nantes", "Lille")),
    ("Netherlands", 0.13, ("Amsterdam", "Rotterdam", "Utrecht", "Eindhoven", "Groningen")),
    ("Spain", 0.10, ("Madrid", "Barcelona", "Valencia", "Sevilla", "Bilbao")),
    ("Italy", 0.09, ("Milano", "Roma", "Torino", "Bologna", "Napoli")),
    ("Austria", 0.06, ("Wien", "Graz", "Linz", "Salzburg")),
    ("Belgium", 0.05, ("Antwerpen", "Bruxelles", "Gent")),
    ("Poland", 0.03, ("Warszawa", "Kraków", "Wrocław")),
    ("Ireland", 0.03, ("Dublin", "Cork", "Galway")),
)
ACQUISITION_CHANNELS = ("organic_search", "paid_search", "social", "referral", "email", "marketplace")

RENAMED_CATEGORY = "Chew toys"
NEW_CATEGORY = "Chews"
# Category, share of products, animals, nouns of its product names, median price in EUR.
CATEGORIES: tuple[tuple[str, float, tuple[str, ...], tuple[str, ...], float], ...] = (
    (RENAMED_CATEGORY, 0.20, ("dog",), ("Bone", "Stick", "Ring", "Knot", "Antler"), 9.5),
    ("Plush toys", 0.17, ("dog", "cat"), ("Fox", "Duck", "Hedgehog", "Mouse", "Bear"), 12.5),
    ("Balls & fetch", 0.16, ("dog",), ("Ball", "Frisbee", "Launcher", "Dummy"), 10.5),
    ("Puzzle & enrichment", 0.12, ("dog", "cat", "small animal"), ("Puzzle", "Snuffle Mat", "Treat Maze"), 22.0),
    ("Teasers & wands", 0.12, ("cat",), ("Wand", "Feather", "Laser", "Fishing Rod"), 8.0),
    ("Scratchers & tunnels", 0.10, ("cat", "small animal"), ("Post", "Tunnel", "Board", "Tree"), 34.0),
    ("Tug & rope", 0.07, ("dog",), ("Rope", "Tug", "Braid"), 11.0),
    ("Bird toys", 0.06, ("bird",), ("Swing", "Bell", "Ladder", "Mirror"), 7.5),
)
ADJECTIVES = _words(
    "Jolly Mighty Tiny Giant Squeaky Silent Fluffy Rugged Classic Glow Crinkle Bouncy Lucky Wild Cosy Brave "
    "Speedy Clever Happy Sunny Minty Rustic Floating Everlasting"
)
MATERIALS = ("Rubber", "Cotton", "Bamboo", "Felt", "Hemp", "Wood", "Canvas", "Fleece", "Cork", "Sisal")

CHANNELS = ("web", "app", "store")
STATUSES = ("placed", "paid", "shipped", "delivered", "returned", "cancelled")
CURRENCY = "EUR"
