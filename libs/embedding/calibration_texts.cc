#include "libs/embedding/calibration_texts.h"

namespace ragmesh::embedding {
namespace {

constexpr absl::string_view kCalibration[] = {
    "The centrifugal pump must not run dry. Before the first start, fill the casing and the "
    "suction "
    "line with water, open the vent valve until no more bubbles appear, and turn the shaft by "
    "hand. "
    "If the bearing temperature rises above 80 °C within ten minutes, stop the motor and check the "
    "alignment of the coupling with a dial gauge.",
    "How often should the oil filter of the hydraulic press be replaced?",
    "Patients with type 2 diabetes who received metformin together with a structured diet showed a "
    "mean reduction of HbA1c of 1.2 percentage points after 24 weeks, compared with 0.4 in the "
    "placebo group (p < 0.001). Adverse events were mild and mostly gastrointestinal. The trial "
    "was "
    "randomised and double-blind, and 412 of 460 participants completed it.",
    "Does vitamin D supplementation lower the risk of respiratory infection in older adults?",
    "The tenant may terminate this agreement with three months' notice to the end of a calendar "
    "quarter. Notice must be given in writing. The deposit, less any justified deductions, is "
    "returned within six weeks after the keys have been handed over and the meter readings agreed.",
    "def moving_average(values, window):\n    if window <= 0:\n        raise ValueError('window "
    "must be positive')\n    total = sum(values[:window])\n    for i in range(window, "
    "len(values)):\n"
    "        yield total / window\n        total += values[i] - values[i - window]",
    "Invoice 2024-0917 | customer: Nordwind GmbH | item: seal kit 40 mm | quantity: 12 | unit "
    "price: "
    "18.50 EUR | VAT 19 % | total: 264.18 EUR | due 2024-10-15",
    "The river rises in a limestone plateau at an altitude of 1,140 metres, flows northwest for "
    "212 "
    "kilometres and joins the larger stream below the old bridge. In spring the melting snow "
    "doubles "
    "its discharge; in dry summers the upper course disappears underground for several weeks, and "
    "only the names of the mills remind of the water.",
    "Which treaty ended the war, and in what year was it signed?",
    "To knead the dough, fold it towards you, press it away with the heel of your hand, and give "
    "it "
    "a quarter turn. After eight to ten minutes it becomes smooth and springs back slowly. Cover "
    "it "
    "with a damp cloth, let it rise at room temperature until it has doubled, and preheat the oven "
    "to 230 degrees.",
    "ERROR 2024-03-02T11:04:17Z gateway[331]: upstream embedder:7003 returned RESOURCE_EXHAUSTED "
    "after 5 retries; request 7f3a91 cancelled, 14 of 64 chunks stored",
    "Photosynthesis converts light energy into chemical energy. In the light-dependent reactions, "
    "which take place in the thylakoid membranes, water is split, oxygen is released, and ATP and "
    "NADPH are formed; in the Calvin cycle these drive the fixation of carbon dioxide into sugars.",
    "Die Wartung der Lüftungsanlage erfolgt zweimal jährlich. Vor Beginn der Arbeiten ist der "
    "Hauptschalter auszuschalten und gegen Wiedereinschalten zu sichern. Filter der Klasse F7 sind "
    "nach spätestens zwölf Monaten zu ersetzen.",
    "Le contrat prend effet à la date de signature et reste valable pendant deux ans. Chaque "
    "partie "
    "peut le résilier par lettre recommandée avec un préavis de trente jours.",
    "¿Cuáles son los requisitos para solicitar la beca y hasta cuándo se puede presentar la "
    "documentación?",
    "\"You cannot mean it,\" she said, and put the letter back on the table. Outside, the last "
    "tram "
    "had gone. He wanted to answer, but what he had prepared on the stairs seemed to belong to "
    "another evening, and so he only nodded and looked for his hat.",
    "The committee approved the budget for the coming year by nine votes to four. Spending on "
    "schools rises by 6.5 percent, to 48.2 million; road repairs were postponed. Opponents said "
    "that "
    "the estimate of tax revenue was too optimistic after two years of decline.",
    "Let f be continuous on [a, b] and differentiable on (a, b). Then there is a point c in (a, b) "
    "such that f'(c) = (f(b) - f(a)) / (b - a). In particular, a function whose derivative "
    "vanishes "
    "everywhere is constant.",
    "# Installation\n\n1. Download the archive and verify its checksum.\n2. Unpack it into "
    "/opt/agent.\n3. Run `sudo ./install.sh --prefix /opt/agent`.\n4. Open port 8443 in the "
    "firewall.\n\nRequires 4 GB of memory and kernel 5.10 or later.",
    "symptoms of carbon monoxide poisoning",
    "The enzyme's affinity for its substrate decreased four-fold when the histidine at position 57 "
    "was replaced by alanine, whereas the maximal velocity remained unchanged. Crystal structures "
    "at "
    "1.8 Å resolution show that the side chain forms a hydrogen bond with the bound inhibitor, and "
    "molecular dynamics suggest that an ordered water molecule takes its place in the mutant.",
    "Employees accrue 2.5 days of paid leave per month of service. Leave that was not taken lapses "
    "on 31 March of the following year, unless the employer could not grant it for operational "
    "reasons. During the probationary period of six months either side may give two weeks' notice.",
    "Battery: lithium-ion, 48 V, 20 Ah. Charging temperature 0 to 45 °C. Do not store below 30 % "
    "charge for more than three months. Cells that are swollen, punctured or hot must be taken "
    "outdoors and reported at once.",
    "SELECT c.name, COUNT(*) AS orders, SUM(o.amount) FROM customers c JOIN orders o ON "
    "o.customer_id = c.id WHERE o.created_at >= '2023-01-01' GROUP BY c.name HAVING COUNT(*) > 10 "
    "ORDER BY 3 DESC;",
    "The Gothic cathedral was begun in 1248 and finished only in 1880, after work had stopped for "
    "nearly three centuries. Its two towers, 157 metres high, made it for four years the tallest "
    "building in the world.",
    "who wrote the national anthem and when was it first performed",
    "Interest rates rose again in September. Analysts expect the central bank to pause before the "
    "end of the year, since core inflation fell to 3.1 percent and unemployment edged up. Bond "
    "yields dropped, the currency weakened slightly, and shares of exporters gained.",
    "Migrating birds find their way by the sun, the stars and the magnetic field of the earth. "
    "Young "
    "starlings that were carried to another country before their first journey kept the direction "
    "of their parents, and so arrived where no starling had wintered before.",
    "ok thanks!! see you at 5pm :)",
    "東京は日本の首都であり、世界最大級の都市圏を形成している。",
};

constexpr absl::string_view kComparison[] = {
    "When the level switch in the condensate tank trips, the feed pump stops and the alarm lamp "
    "lights. Reset it only after the cause has been found: a blocked strainer, a stuck float, or a "
    "leaking check valve. Record the event in the log with date and initials.",
    "Why does the compressor restart by itself after a power failure?",
    "In a cohort of 2,317 nurses, rotating night shifts for more than ten years were associated "
    "with "
    "a higher incidence of hypertension (hazard ratio 1.31, 95 % confidence interval 1.08 to "
    "1.59). "
    "Adjusting for body mass index attenuated the association but did not remove it.",
    "The licence is granted free of charge, without warranty of any kind. Whoever distributes "
    "copies "
    "must include this notice and mark changed files as changed.",
    "for (const auto& entry : index) {\n  if (entry.score < threshold) continue;\n  "
    "results.push_back(entry.id);\n}",
    "Volcanic islands are formed where a plate moves over a hot spot; the farther an island lies "
    "from it, the older and lower it is, until only a reef remains.",
    "Room 3.14 | projector: yes | seats: 24 | booked by: Ms. Okafor | 09:30-11:00 | weekly until "
    "June",
    "average rainfall in the Atacama desert",
    "The minister resigned on Tuesday after documents showed that her office had known of the "
    "delay "
    "since March. The opposition demanded an inquiry; the prime minister declined to comment.",
    "Der Antrag ist spätestens vier Wochen vor Beginn der Maßnahme schriftlich einzureichen.",
    "A prime number greater than 3 leaves the remainder 1 or 5 when divided by 6.",
    "She had learned the piece as a child, from a teacher who smelled of peppermint and never "
    "praised, and her fingers still knew the turn that he had called the staircase.",
    "Set `max_connections = 200` and restart the service; the change takes effect for new "
    "sessions.",
    "Transfer RNA carries amino acids to the ribosome, where its anticodon pairs with a codon of "
    "the "
    "messenger. Modified bases near the anticodon keep the reading frame.",
    "what is the difference between a permanent and a fixed-term contract?",
};

}  // namespace

absl::Span<const absl::string_view> CalibrationTexts() { return kCalibration; }
absl::Span<const absl::string_view> ComparisonTexts() { return kComparison; }

}  // namespace ragmesh::embedding
