"""What contests reports and licences: challenges, rulings, rival claims."""
