"""Write docs/tickets-results.md from the results of finished studies of tickets.

python docs/write_tickets.py results/STUDY ... > docs/tickets-results.md
"""

from secateur.figures import documents
from secateur.verdicts import page_command, tickets_page, tickets_study


def page(folders):
    """The page as Markdown; ValueError names a folder that holds no finished study of tickets."""
    studies = list(map(tickets_study.read, folders))
    return documents.as_markdown(tickets_page.blocks(studies, folders))


if __name__ == "__main__":
    page_command.run(__file__, __doc__, page)
