"""What the firms and people that the sample company meets are called: all made up."""

import unicodedata

# fmt: off
LOCALES = (  # region, order of the words, legal forms, families, trades, given names
    ("EMEA", "{name} {trade}", "GmbH|GmbH & Co. KG|AG",
     "Krähwinkel|Großmoor|Süßbach|Fünfeichen|Möwensand|Grünspecht|Weißdorn|Hüttenrauch|Bärenklau|"
     "Öhrchen|Übelacker|Käuzchen|Moosgärtner",
     "Maschinenbau|Logistik|Werkzeuge|Großhandel|Labortechnik|Verpackungen|Druckerei|Energietechnik",
     "Jürgen|Anna|Sören|Käthe"),
    ("EMEA", "{trade} {name}", "SARL|SAS",
     "Châteaubrume|Grêlonde|Lavoisille|Préauxbois|Tournefeuil|Bélombre|Côtefleurie|Noirmoulin|"
     "Âtrevif|Chênebourg|Pâquerin|Vîvarelle",
     "Boulangerie|Imprimerie|Menuiserie|Transports|Éditions|Optique|Fonderie|Crèmerie",
     "Zoé|Rémi|Anaïs|François"),
    ("EMEA", "{trade} {name}", "S.L.|S.A.",
     "Peñablanca|Muñozal|Cañaveral|Zorzalejo|Almendruco|Ríoquieto|Valdegüeña|Ñandubay|Ocasillo|"
     "Piñonero|Torrelóbrega|Cigüeñal",
     "Bodegas|Transportes|Muebles|Cerámicas|Conservas|Electrónica|Papelería|Óptica",
     "Íñigo|Lucía|Begoña|Andrés"),
    ("EMEA", "{name} {trade}", "Sp. z o.o.|S.A.",
     "Żurawski|Łąkomir|Świerkowiak|Źrebiec|Gęsiołka|Jabłonkiewicz|Ćmielak|Sówkowski|Wiśnioł|Dębołęka|"
     "Kłosowiak|Żółwiński",
     "Meble|Transport|Narzędzia|Piekarnia|Elektronika|Opakowania|Ceramika|Drukarnia",
     "Łucja|Paweł|Małgorzata|Michał"),
    ("EMEA", "{name} {trade}", "AB|A/S",
     "Ångvik|Sjöhästen|Ørnefjeld|Blåbärslund|Måsholm|Ærøhavn|Lärkdalen|Älgö|Tjädermo|Rønnebæk|"
     "Småtorp|Hjortsjö",
     "Trävaror|Möbler|Rederi|Bryggeri|Teknik|Handel|Glas|Åkeri",
     "Åsa|Søren|Björn|Märta"),
    ("EMEA", "{name} {trade}", "Ltd|PLC",
     "Thistlewick|Harrowmere|Puddleby|Fenwhistle|Lowoakham|Cobbleshaw|Dunmarrow|Snowdrake|"
     "Tibberthwaite|Mossop|Gorsewold|Wrenbeck",
     "Joinery|Biscuits|Couriers|Ceramics|Optics|Textiles|Packaging|Tools",
     "Imogen|Rhys|Siân|Alasdair"),
    ("AMER", "{name} {trade}", "Inc.|LLC|Corp.",
     "Copperkettle|Bluestem|Tumblewick|Redfeather|Pinegate|Saltgrass|Juniperhill|Larkspur|Foxhollow|"
     "Graniteway|Maplefork|Owlcreek|Hickorybend|Coyotewell|Sagelight|Elkrapids",
     "Foods|Logistics|Tools|Robotics|Paper|Outfitters|Labs|Plastics|Dental|Freight",
     "Ava|Mason|Zoe|Hunter"),
    ("AMER", "{trade} {name}", "Ltda.|S.A.",
     "Jacarandá|Araçuá|Beijaflor|Tamanduá|Guaxupezinho|Paineirão|Ipêroxo|Sabiálândia|Mandacaruçu|"
     "Quatipuã|Jabuticabão|Pitangüera|Caburé|Juçaral",
     "Alimentos|Móveis|Calçados|Construções|Têxtil|Papéis|Laticínios|Máquinas",
     "João|Inês|Luísa|Caetano"),
    ("APAC", "{name} {trade}", "Pty Ltd",
     "Wattlebrook|Gumnut|Yabbyville|Bilbydale|Kookabay|Mulgarook|Quokkaton|Boobookra|Galahfield|"
     "Saltbushby|Emuford|Lyrewood",
     "Mining Supplies|Dairy|Solar|Timber|Surfwear|Freight|Optics|Wool",
     "Kylie|Lachlan|Tess|Bruce"),
    ("APAC", "{name} {trade}", "Pvt. Ltd.|K.K.",
     "Chandrapatti|Neelvan|Hoshinomori|Tsubamezaka|Kesarpur|Yamabukiya|Mitralok|Suzukage|Mayurgarh|"
     "Fukuromachi|Kamalnagri|Tombodani",
     "Textiles|Seiki|Spices|Denki|Software|Paper|Motors|Ceramics",
     "Priya|Arjun|Haruka|Kenji"),
)
# fmt: on
HOSTILE = (  # names that break careless readers
    "Smith, Jones & Sons, Ltd",
    'The "Little" Biscuit Tin Inc.',
    "O'Dunmarrow's Joinery; Tools & More",
    "=Equals Robotics LLC",
    "NULL Island Couriers",
    "100 % Süßbach <Labor> GmbH",
)
UNACCENTED = {  # the rest follows from Unicode
    "ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "ø": "o", "æ": "ae", "ł": "l",
    "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "Ø": "O", "Æ": "Ae", "Ł": "L",
}  # fmt: skip


def plain(text: str) -> str:
    """Write a name without accents, as people type it."""
    text = "".join(UNACCENTED.get(letter, letter) for letter in text)
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
